"""Pairs with their messages, and the token ids of each distinct response."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

import polars as pl

from prefine.schema import Message
from prefine.step import Work

if TYPE_CHECKING:
    from prefine.serve.chat import Chat, PromptResponse

TEMPLATE_REFUSED = "template_refused"
"""The reason of a response whose conversation the chat template cannot render."""

TokenIds = dict[str, "PromptResponse | None"]
"""Token ids by response id; None if the chat template cannot render the conversation's tools."""

_CHUNK = 256
"""Number of pairs in a chunk; the pairs of a prompt stay in one chunk."""


def read_conversations(work: Work) -> Iterator[pl.DataFrame]:
    """Yield chunks of pairs with their messages; all pairs of a prompt are in one chunk.

    Yields:
        The ids of the pairs, ``prompt``, ``chosen`` and ``rejected`` (lists of messages) and
        ``tools`` (JSON text of the prompt's tools, or null).
    """
    pairs = work.read("pairs", ["pair_id", "prompt_id", "chosen_id", "rejected_id"])
    prompts = work.read("prompts", ["prompt_id", "messages", "tools"])
    prompts = prompts.rename({"messages": "prompt"})
    responses = work.read("responses", ["response_id", "messages"])
    ordered = pairs.sort("prompt_id", "pair_id").with_row_index("position")
    chunk_of = pl.col("position").first().over("prompt_id") // _CHUNK
    for _, chunk in ordered.group_by(chunk_of, maintain_order=True):
        joined = chunk.join(prompts, on="prompt_id", how="left", maintain_order="left")
        for side in ("chosen", "rejected"):
            of_side = responses.rename({"response_id": f"{side}_id", "messages": side})
            joined = joined.join(of_side, on=f"{side}_id", how="left", maintain_order="left")
        yield joined


def tokenize_responses(pairs: pl.DataFrame, chat: "Chat") -> TokenIds:
    """Render and tokenize each distinct response with its prompt.

    Args:
        pairs: A chunk of ``read_conversations``.
        chat: Renders and tokenizes conversations.

    Returns:
        The token ids by response id, with the responses of a prompt next to each other.
    """
    ids: TokenIds = {}
    columns = ("prompt", "tools", "chosen_id", "chosen", "rejected_id", "rejected")
    for prompt, tools, *sides in pairs.select(columns).iter_rows():
        for name, response in (sides[:2], sides[2:]):
            if name not in ids:
                ids[name] = _tokenize(chat, prompt, response, tools)
    return ids


def _tokenize(
    chat: "Chat", prompt: object, response: object, tools: str | None
) -> "PromptResponse | None":
    from prefine.serve.chat import ToolsRefusedError

    prompt_turns = cast("Sequence[Message]", prompt)
    response_turns = cast("Sequence[Message]", response)
    try:
        return chat.prompt_response(prompt_turns, response_turns, tools)
    except ToolsRefusedError:
        return None


def within_limit(ids: TokenIds, max_tokens: int) -> dict[str, "PromptResponse"]:
    """Return the responses that could be rendered and have at most ``max_tokens`` tokens.

    Args:
        ids: The result of ``tokenize_responses``.
        max_tokens: Maximum number of tokens of prompt and response together.
    """
    return {
        name: tokens
        for name, tokens in ids.items()
        if tokens is not None and len(tokens.prompt) + len(tokens.response) <= max_tokens
    }

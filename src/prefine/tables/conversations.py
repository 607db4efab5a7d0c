"""Pairs with their conversations, and the token ids of each distinct response."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

import polars as pl

from prefine.schema import Message
from prefine.step import Work

if TYPE_CHECKING:
    from prefine.serve.chat import Chat, PromptResponse

TEMPLATE_REFUSED = "template_refused"
"""The reason of a response whose conversation the chat template refuses."""

TokenIds = dict[str, "PromptResponse | None"]
"""By response; null where the chat template cannot show the conversation's tools."""

_CHUNK = 256
"""Pairs that are read together; a prompt's pairs are never torn apart."""


def conversations(work: Work) -> Iterator[pl.DataFrame]:
    """Yield pairs with the messages of both sides, all pairs of a prompt in one frame.

    ``asked`` are the messages of the prompt, ``tools`` the JSON text of its tools.
    """
    pairs = work.read("pairs", ["pair_id", "prompt_id", "chosen_id", "rejected_id"])
    prompts = work.read("prompts", ["prompt_id", "messages", "tools"]).rename({"messages": "asked"})
    responses = work.read("responses", ["response_id", "messages"])
    ordered = pairs.sort("prompt_id", "pair_id").with_row_index("place")
    chunk_of = pl.col("place").first().over("prompt_id") // _CHUNK
    for _, chunk in ordered.group_by(chunk_of, maintain_order=True):
        found = chunk.join(prompts, on="prompt_id", how="left", maintain_order="left")
        for side in ("chosen", "rejected"):
            of_side = responses.rename({"response_id": f"{side}_id", "messages": side})
            found = found.join(of_side, on=f"{side}_id", how="left", maintain_order="left")
        yield found


def tokenised(pairs: pl.DataFrame, chat: "Chat") -> TokenIds:
    """Return the token ids of each distinct response, those of a prompt side by side."""
    found: TokenIds = {}
    columns = ("asked", "tools", "chosen_id", "chosen", "rejected_id", "rejected")
    for asked, tools, *sides in pairs.select(columns).iter_rows():
        for name, said in (sides[:2], sides[2:]):
            if name not in found:
                found[name] = _rendered(chat, asked, said, tools)
    return found


def _rendered(
    chat: "Chat", asked: object, said: object, tools: str | None
) -> "PromptResponse | None":
    from prefine.serve.chat import ToolsRefusedError

    prompt, response = cast("Sequence[Message]", asked), cast("Sequence[Message]", said)
    try:
        return chat.prompt_response(prompt, response, tools)
    except ToolsRefusedError:
        return None


def fitting(ids: TokenIds, max_tokens: int) -> dict[str, "PromptResponse"]:
    """Return the responses that could be rendered and are not too long with their prompts."""
    return {
        name: one
        for name, one in ids.items()
        if one is not None and len(one.prompt) + len(one.response) <= max_tokens
    }

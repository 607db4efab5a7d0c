"""Pairs with their conversations, and the token ids of each distinct response."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

import polars as pl

from prefine.schema import Message
from prefine.step import Work

if TYPE_CHECKING:
    from prefine.serve.chat import Chat, PromptResponse

_CHUNK = 256
"""Pairs that are read together; a prompt's pairs are never torn apart."""


def conversations(work: Work) -> Iterator[pl.DataFrame]:
    """Yield pairs with the messages of both sides, all pairs of a prompt in one frame."""
    pairs = work.read("pairs", ["pair_id", "prompt_id", "chosen_id", "rejected_id"])
    prompts = work.read("prompts", ["prompt_id", "messages"]).rename({"messages": "asked"})
    responses = work.read("responses", ["response_id", "messages"])
    ordered = pairs.sort("prompt_id", "pair_id").with_row_index("place")
    chunk_of = pl.col("place").first().over("prompt_id") // _CHUNK
    for _, chunk in ordered.group_by(chunk_of, maintain_order=True):
        found = chunk.join(prompts, on="prompt_id", how="left", maintain_order="left")
        for side in ("chosen", "rejected"):
            of_side = responses.rename({"response_id": f"{side}_id", "messages": side})
            found = found.join(of_side, on=f"{side}_id", how="left", maintain_order="left")
        yield found


def tokenised(pairs: pl.DataFrame, chat: "Chat") -> dict[str, "PromptResponse"]:
    """Return the token ids of each distinct response, those of a prompt side by side."""
    found: dict[str, PromptResponse] = {}
    columns = ("asked", "chosen_id", "chosen", "rejected_id", "rejected")
    for asked, *sides in pairs.select(columns).iter_rows():
        for name, said in (sides[:2], sides[2:]):
            if name not in found:
                turns = cast("Sequence[Message]", said)
                found[name] = chat.prompt_response(cast("Sequence[Message]", asked), turns)
    return found


def fitting(ids: dict[str, "PromptResponse"], max_tokens: int) -> list[str]:
    """Return the responses that are not too long with their prompts."""
    return [name for name, one in ids.items() if len(one.prompt) + len(one.response) <= max_tokens]

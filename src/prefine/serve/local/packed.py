"""Responses to one prompt share a row: the prompt is read once, each response as a branch of it.

A row is ``[prompt, response 1, response 2, ...]``. The positions of every response go on from the
prompt's, and a token attends to the prompt and to its own branch before it; so each response gets
the states that it would get alone, and the prompt is not read again for each.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

from prefine.serve.chat import PromptResponse
from prefine.serve.local.batches import by_budget

PACKABLE = frozenset({"gemma", "llama", "mistral", "olmo2", "phi3", "qwen2", "qwen3"})
"""Architectures for which packed rows were found to give the states of single ones."""

_LONGEST_ROW = 4096
"""Tokens beyond which no further response joins a row: its mask has this many squared entries."""


class Row(NamedTuple):
    """A prompt with some of the responses to it."""

    prompt: list[int]
    indices: list[int]
    """Which sequences the responses are."""
    responses: list[list[int]]
    """What is fed of each response: all but its last token, which predicts nothing."""

    @property
    def length(self) -> int:
        """Tokens in the row."""
        return len(self.prompt) + sum(map(len, self.responses))

    def states(self) -> Iterator[tuple[int, list[int]]]:
        """Yield each sequence with the places of the states that predict its response."""
        start = len(self.prompt)
        for index, fed in zip(self.indices, self.responses, strict=True):
            yield index, [len(self.prompt) - 1, *range(start, start + len(fed))]
            start += len(fed)


class Batch(NamedTuple):
    """Rows as tensors: B rows, T tokens, pads on the right."""

    rows: list[Row]
    ids: torch.Tensor
    """Shape (B, T)."""
    positions: torch.Tensor
    """Shape (B, T)."""
    branch: torch.Tensor
    """Shape (B, T): 0 in the prompt, k in the k-th response, -1 in pads."""

    @property
    def packed(self) -> bool:
        """Whether any row has several branches, so that a mask must keep them apart."""
        return any(len(row.responses) > 1 for row in self.rows)

    def mask(self, dtype: torch.dtype) -> torch.Tensor:
        """Return what attention takes: (B, T) of ones and zeros, or (B, 1, T, T) to be added."""
        if not self.packed:
            return (self.branch >= 0).long()
        longest = self.ids.shape[1]
        causal_TT = torch.ones(longest, longest, dtype=torch.bool).tril()
        query, key = self.branch[:, :, None], self.branch[:, None, :]
        seen_BTT = causal_TT & ((query == key) | (key == 0))
        blocked = torch.zeros(seen_BTT.shape, dtype=dtype)
        return blocked.masked_fill_(~seen_BTT, torch.finfo(dtype).min)[:, None]


def rows_of(sequences: Sequence[PromptResponse], *, pack: bool, max_tokens: int) -> list[Row]:
    """Lay sequences into rows; those of one prompt share rows when they may.

    Args:
        sequences: Non-empty prompts and responses.
        pack: Whether responses may share a row.
        max_tokens: Most tokens in a row of several responses.
    """
    limit = min(max_tokens, _LONGEST_ROW)
    rows: list[Row] = []
    open_rows: dict[tuple[int, ...], Row] = {}
    for index, (prompt, response) in enumerate(sequences):
        fed = response[:-1]
        row = open_rows.get(tuple(prompt)) if pack else None
        if row is None or row.length + len(fed) > limit:
            row = Row(prompt, [], [])
            rows.append(row)
            open_rows[tuple(prompt)] = row
        row.indices.append(index)
        row.responses.append(fed)
    return rows


def batches_of(rows: Sequence[Row], max_tokens: int) -> Iterator[Batch]:
    """Batch rows of like length, under a budget of tokens, padding included."""
    for places in by_budget([row.length for row in rows], max_tokens):
        yield _batch([rows[place] for place in places])


def _batch(rows: list[Row]) -> Batch:
    longest = max(row.length for row in rows)
    ids_BT = torch.zeros((len(rows), longest), dtype=torch.long)
    positions_BT = torch.zeros((len(rows), longest), dtype=torch.long)
    branch_BT = torch.full((len(rows), longest), -1, dtype=torch.long)
    for place, row in enumerate(rows):
        start = len(row.prompt)
        ids_BT[place, :start] = torch.tensor(row.prompt)
        positions_BT[place, :start] = torch.arange(start)
        branch_BT[place, :start] = 0
        for number, fed in enumerate(row.responses):
            end = start + len(fed)
            ids_BT[place, start:end] = torch.tensor(fed, dtype=torch.long)
            first = len(row.prompt)
            positions_BT[place, start:end] = torch.arange(first, first + len(fed))
            branch_BT[place, start:end] = number + 1
            start = end
    return Batch(rows, ids_BT, positions_BT, branch_BT)

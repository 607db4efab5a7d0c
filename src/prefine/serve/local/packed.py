"""Packing of several responses to one prompt into one row, so that the prompt is computed once.

A row is ``[prompt, response 1, response 2, ...]``. Position ids of each response continue those of
the prompt, and a token attends to the prompt and to earlier tokens of its own response. Each
response therefore has the same states as in a row of its own.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

from prefine.serve.chat import PromptResponse
from prefine.serve.local.batches import group_by_budget

PACKABLE = frozenset({"gemma", "llama", "mistral", "olmo2", "phi3", "qwen2", "qwen3"})
"""Architectures whose packed rows were tested to have the states of unpacked ones."""

_LONGEST_ROW = 4096
"""Maximum tokens of a packed row; its mask has this many entries squared."""


class Row(NamedTuple):
    """A prompt with some of its responses."""

    prompt: list[int]
    """Token ids."""
    indices: list[int]
    """Indices of the responses in the list of sequences."""
    responses: list[list[int]]
    """Token ids of each response without the last token, whose state is not needed."""

    @property
    def length(self) -> int:
        """Number of tokens in the row."""
        return len(self.prompt) + sum(map(len, self.responses))

    def states(self) -> Iterator[tuple[int, list[int]]]:
        """Yield each sequence's index and the positions of the states that predict its response."""
        start = len(self.prompt)
        for index, inputs in zip(self.indices, self.responses, strict=True):
            yield index, [len(self.prompt) - 1, *range(start, start + len(inputs))]
            start += len(inputs)


class Batch(NamedTuple):
    """Rows as tensors: B rows, T tokens, padding on the right."""

    rows: list[Row]
    ids: torch.Tensor
    """Token ids, shape (B, T)."""
    positions: torch.Tensor
    """Position ids, shape (B, T)."""
    branch: torch.Tensor
    """Shape (B, T): 0 in the prompt, k in the k-th response, -1 in padding."""

    @property
    def packed(self) -> bool:
        """Whether any row has several responses, which the attention mask must separate."""
        return any(len(row.responses) > 1 for row in self.rows)

    def mask(self, dtype: torch.dtype) -> torch.Tensor:
        """Return the attention mask: 0 or 1 of shape (B, T), or additive of shape (B, 1, T, T)."""
        if not self.packed:
            return (self.branch >= 0).long()
        longest = self.ids.shape[1]
        causal_TT = torch.ones(longest, longest, dtype=torch.bool).tril()
        query, key = self.branch[:, :, None], self.branch[:, None, :]
        seen_BTT = causal_TT & ((query == key) | (key == 0))
        blocked = torch.zeros(seen_BTT.shape, dtype=dtype)
        return blocked.masked_fill_(~seen_BTT, torch.finfo(dtype).min)[:, None]


def rows_of(sequences: Sequence[PromptResponse], *, pack: bool, max_tokens: int) -> list[Row]:
    """Arrange sequences in rows.

    Args:
        sequences: Non-empty prompts and responses.
        pack: Whether responses to one prompt share a row.
        max_tokens: Maximum tokens of a row with several responses.
    """
    limit = min(max_tokens, _LONGEST_ROW)
    rows: list[Row] = []
    open_rows: dict[tuple[int, ...], Row] = {}
    for index, (prompt, response) in enumerate(sequences):
        inputs = response[:-1]
        row = open_rows.get(tuple(prompt)) if pack else None
        if row is None or row.length + len(inputs) > limit:
            row = Row(prompt, [], [])
            rows.append(row)
            open_rows[tuple(prompt)] = row
        row.indices.append(index)
        row.responses.append(inputs)
    return rows


def batches_of(rows: Sequence[Row], max_tokens: int) -> Iterator[Batch]:
    """Group rows of similar length into batches within a token budget, padding included."""
    for indices in group_by_budget([row.length for row in rows], max_tokens):
        yield _batch([rows[index] for index in indices])


def _batch(rows: list[Row]) -> Batch:
    longest = max(row.length for row in rows)
    ids_BT = torch.zeros((len(rows), longest), dtype=torch.long)
    positions_BT = torch.zeros((len(rows), longest), dtype=torch.long)
    branch_BT = torch.full((len(rows), longest), -1, dtype=torch.long)
    for index, row in enumerate(rows):
        start = len(row.prompt)
        ids_BT[index, :start] = torch.tensor(row.prompt)
        positions_BT[index, :start] = torch.arange(start)
        branch_BT[index, :start] = 0
        for number, inputs in enumerate(row.responses):
            end = start + len(inputs)
            ids_BT[index, start:end] = torch.tensor(inputs, dtype=torch.long)
            first = len(row.prompt)
            positions_BT[index, start:end] = torch.arange(first, first + len(inputs))
            branch_BT[index, start:end] = number + 1
            start = end
    return Batch(rows, ids_BT, positions_BT, branch_BT)

"""Batches of token sequences under a token budget."""

from collections.abc import Iterator, Sequence


def by_budget(lengths: Sequence[int], max_tokens: int) -> Iterator[list[int]]:
    """Group indices, shortest first, so that rows times the longest row stays under a budget.

    Args:
        lengths: Tokens of each sequence.
        max_tokens: Most tokens in a batch, padding included; one longer sequence stands alone.
    """
    order = sorted(range(len(lengths)), key=lambda index: (lengths[index], index))
    batch: list[int] = []
    for index in order:
        if batch and (len(batch) + 1) * lengths[index] > max_tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def by_length(lengths: Sequence[int], max_tokens: int) -> Iterator[list[int]]:
    """Group indices of equal length under a budget: batches that need no padding at all."""
    for batch in by_budget(lengths, max_tokens):
        start = 0
        for end in range(1, len(batch) + 1):
            if end == len(batch) or lengths[batch[end]] != lengths[batch[start]]:
                yield batch[start:end]
                start = end

"""Batches of token sequences under a token budget."""

from collections.abc import Iterator, Sequence


def group_by_budget(lengths: Sequence[int], max_tokens: int) -> Iterator[list[int]]:
    """Group sequences, shortest first, so that the padded size of a batch stays within a budget.

    Args:
        lengths: Number of tokens of each sequence.
        max_tokens: Maximum tokens of a batch, padding included; a longer sequence is a batch of
            its own.

    Yields:
        Indices of the sequences of a batch.
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


def group_by_length(lengths: Sequence[int], max_tokens: int) -> Iterator[list[int]]:
    """Group sequences of equal length within a token budget, so that no batch needs padding."""
    for batch in group_by_budget(lengths, max_tokens):
        start = 0
        for end in range(1, len(batch) + 1):
            if end == len(batch) or lengths[batch[end]] != lengths[batch[start]]:
                yield batch[start:end]
                start = end

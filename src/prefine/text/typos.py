"""Whether two texts differ by typos only.

Overlap of characters is not enough: two texts of ten words with a character overlap of 0.7 may name
different persons.
"""

from collections.abc import Sequence
from difflib import SequenceMatcher

from prefine.text.common import common_prefix, common_suffix

_UNSURE = 12
"""One word in 12 may be an uncertain typo: a short word, or a difference in the first letter."""
_REPLACED = 28
"""One word in 28 may be a different word, as at a Jaccard overlap of 0.8 of shingles of 3 words.
With 20, 3,029 responses of rm_bench had 26 edges by characters instead of 5; of 20 that were read,
14 were not copies (beef and pork, subtraction and addition)."""
_SURE = 4
"""Minimum letters of a word in which one changed letter is a typo."""
_LONG = 7
"""Minimum letters of a word in which two changed letters are."""


def are_typos(left: Sequence[str], right: Sequence[str]) -> bool:
    """Return whether two lists of words differ by typos only.

    A typo is one inserted, deleted or replaced letter, two swapped letters, or an inserted or
    missing space; a word of at least 7 letters may have two. Of the words, 1 in 12 may have fewer
    than 4 letters or differ in the first letter, and 1 in 28 may be a different word, e.g. one of
    two swapped words. A Hangul syllable counts as 1.5 letters. A Chinese character is a word: 1 in
    12 may differ, and 1 in 28 where adjacent ones differ.
    """
    count = max(len(left), len(right))
    unsure = replaced = 0
    words = set(left), set(right)
    ahead = common_prefix(left, right)
    behind = common_suffix(left, right, min(len(left), len(right)) - ahead)
    left, right = left[ahead : len(left) - behind], right[ahead : len(right) - behind]
    matcher = SequenceMatcher(None, left, right, autojunk=False)
    for tag, i, i_end, j, j_end in matcher.get_opcodes():
        if tag == "equal":
            continue
        pairs = _aligned(left[i:i_end], right[j:j_end])
        for one, other in pairs:
            row = len(pairs) > 1 and max(len(one), len(other)) == 1
            moved = one in words[1] and other in words[0]
            kind = 2 if row or moved else _kind(one, other)
            unsure += kind > 0
            replaced += kind > 1
        if unsure * _UNSURE > count or replaced * _REPLACED > count:
            return False
    return True


def _aligned(left: Sequence[str], right: Sequence[str]) -> list[tuple[str, str]]:
    """Pair the words of two lists one by one; join two words where that makes a typo."""
    pairs: list[tuple[str, str]] = []
    i = j = 0
    while i < len(left) and j < len(right):
        one, other = left[i], right[j]
        joined = "".join(left[i : i + 2]), "".join(right[j : j + 2])
        if _kind(one, other) and not _kind(joined[0], other):
            one, i = joined[0], i + 1
        elif _kind(one, other) and not _kind(one, joined[1]):
            other, j = joined[1], j + 1
        pairs.append((one, other))
        i, j = i + 1, j + 1
    return [*pairs, *((word, "") for word in left[i:]), *(("", word) for word in right[j:])]


def _kind(one: str, other: str) -> int:
    """Return 0 for a typo, 1 for an uncertain typo, 2 for a different word."""
    if max(len(one), len(other)) == 1:
        return 1
    if not one or not other:
        return 2
    ahead = common_prefix(one, other)
    behind = common_suffix(one, other, min(len(one), len(other)) - ahead)
    rest = one[ahead : len(one) - behind], other[ahead : len(other) - behind]
    longest, size = max(map(len, rest)), min(_letters(one), _letters(other))
    swapped = rest[0] == rest[1][::-1] and longest == len("ab")
    twice = size >= _LONG and ahead > 0 and (longest <= len("ab") or _two(*rest))
    if not (longest <= 1 or swapped or twice):
        return 2
    return int((ahead == 0 and longest > 0) or size < _SURE)


def _two(one: str, other: str) -> bool:
    """Return whether one change at the start and one at the end turn one text into the other."""
    cuts = [(a, b, c, d) for a in (0, 1) for b in (0, 1) for c in (0, 1) for d in (0, 1)]
    return any(one[a : len(one) - c] == other[b : len(other) - d] for a, b, c, d in cuts)


def _letters(word: str) -> float:
    return sum(1.5 if "가" <= letter <= "힣" else 1 for letter in word)

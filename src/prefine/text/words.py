"""Words of texts, and hashed shingles of words, characters or bytes.

A text shorter than a shingle is one shingle as a whole, so that it matches only an equal text.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

Hashes = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.int64]

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_WORD = rf"[{_UNSPACED}]|[\w--[{_UNSPACED}]]+|[^\w\s]"
_UNSEEN = "[\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufe0e\ufe0f\ufeff\u00ad]"
_TYPED = {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'}
_OTHER = r"[\p{L}--[\p{Latin}\p{Greek}]]"
_PROSE = (
    (rf"(?:(\p{{L}}[\p{{L}}\p{{M}}]|{_OTHER})[.,;:!?…]+|(\p{{L}})[.,:?…]+)(\s|$)", "${1}${2} ${3}"),
    # punctuation of prose: East Asian, Arabic, Indic, Ethiopic, Burmese, Khmer, Spanish
    (r"[。、，；：！？؟،؛۔।॥።။។¿¡]+", " "),  # noqa: RUF001 - as printed
    (r"(\d)[.?](\s|$)", "${1} ${2}"),
    (r"(\p{L}{2})\s+[-–—]+\s+(\p{L}{2})", "${1} ${2}"),  # noqa: RUF001 - dashes of prose
)
_MULTIPLY = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)
_BYTES = 6
_WINDOW = np.uint64(2 ** (8 * _BYTES) - 1)


class Shingles(NamedTuple):
    """Hashed shingles of several texts, concatenated; repeated shingles are repeated."""

    hashes: Hashes
    """Shape (shingles of all texts,)."""
    starts: Indices
    """Index of the first shingle of each text, and the total number; shape (texts + 1,)."""

    def of(self, indices: Indices) -> "Shingles":
        """Return the shingles of the texts with these indices, in this order."""
        sizes = np.diff(self.starts)[indices]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        return Shingles(
            self.hashes[np.repeat(self.starts[indices], sizes) + _inside(sizes)], starts
        )


def split_words(texts: list[str]) -> pl.Series:
    """Return the words of texts in lower case, without the punctuation of prose.

    Symbols are words: C# is not C++, 12 - 4 is not 12 + 4, n! is not n. Left out are punctuation
    after a letter (a single Latin letter keeps ! and ;), one period or question mark after a
    number, dashes between words of several letters, and invisible characters. Curly quotes become
    straight. Each character of a script without spaces is a word. Text is normalized to NFC and
    not further, so that 5² is not 52.

    Returns:
        Lists of words, one list for each text.
    """
    plain = pl.Series("words", texts, pl.String).str.to_lowercase()
    if not (plain.str.len_bytes() == plain.str.len_chars()).all():
        plain = plain.str.normalize("NFC").str.replace_all(_UNSEEN, "").str.replace_many(_TYPED)
    for prose, kept in _PROSE:
        plain = plain.str.replace_all(prose, kept)
    return plain.str.extract_all(_WORD)


def exact_texts(texts: Sequence[str]) -> pl.Series:
    """Normalize texts in ways that make no difference even in code.

    White space at both ends of the text and at the ends of lines is removed, line breaks become
    one character, and text is normalized to NFC. Indentation, blank lines, repeated spaces and
    case are kept.
    """
    plain = pl.Series("text", texts, pl.String)
    if not (plain.str.len_bytes() == plain.str.len_chars()).all():
        plain = plain.str.normalize("NFC")
    plain = plain.str.replace_all(r"\r\n?", "\n").str.replace_all(r"[^\S\n]+\n", "\n")
    return plain.str.strip_chars()


def hash_words(words: pl.Series) -> Hashes:
    """Return a hash of the sequence of words of each text, shape (texts,)."""
    return words.list.join(" ").hash(seed=0).to_numpy()


def word_shingles(words: pl.Series, size: int) -> Shingles:
    """Return the shingles of ``size`` words of each text."""
    flat = words.list.explode(keep_nulls=False, empty_as_null=False).hash(seed=0).to_numpy()
    return _shingles(flat, words.list.len().to_numpy().astype(np.int64), hash_words(words), size)


def character_shingles(words: pl.Series, size: int) -> Shingles:
    """Return the shingles of ``size`` characters of each text, words joined by one space."""
    joined = words.list.join(" ")
    points = np.frombuffer("".join(joined).encode("utf-32-le"), np.uint32).astype(np.uint64)
    return _shingles(
        points, joined.str.len_chars().to_numpy().astype(np.int64), hash_words(words), size
    )


def byte_shingles(words: pl.Series) -> Shingles:
    """Return the shingles of 6 bytes of each text in UTF-8, words joined by one space.

    6 bytes are six Latin letters, three letters of most other alphabets, or two Chinese characters
    or Hangul syllables, so that shingles are about equally distinctive in any language.
    """
    joined = words.list.join(" ")
    data = "".join(joined).encode() + bytes(8)
    windows = np.ndarray((len(data) - 7,), "<u8", data, strides=(1,)) & _WINDOW
    windows = windows * _MULTIPLY
    windows ^= windows >> _SHIFT
    sizes = joined.str.len_bytes().to_numpy().astype(np.int64)
    return _cut(windows, sizes, hash_words(words), _BYTES)


def _shingles(flat: Hashes, lengths: Indices, keys: Hashes, size: int) -> Shingles:
    mixed = np.zeros(max(len(flat) - size + 1, 0), np.uint64)
    for ahead in range(size):
        mixed = (mixed ^ flat[ahead : ahead + len(mixed)]) * _MULTIPLY
        mixed ^= mixed >> _SHIFT
    return _cut(mixed, lengths, keys, size)


def _cut(runs: Hashes, lengths: Indices, keys: Hashes, size: int) -> Shingles:
    """Return the shingles that lie within one text; a shorter text is one shingle as a whole.

    Args:
        runs: Hash of the shingle that begins at each position of the concatenated texts.
        lengths: Lengths of the texts.
        keys: Hash of each whole text.
        size: Length of a shingle.
    """
    sizes = np.maximum(lengths - size + 1, 1)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    hashes = np.empty(starts[-1], np.uint64)
    short = lengths < size
    hashes[starts[:-1][short]] = keys[short]
    begins: Indices = np.cumsum(lengths) - lengths
    long = np.repeat(~short, sizes)
    hashes[long] = runs[(np.repeat(begins, sizes) + _inside(sizes))[long]]
    return Shingles(hashes, starts)


def _inside(sizes: Indices) -> Indices:
    """Return 0, 1, ... up to each size, one run behind the other."""
    begins: Indices = np.cumsum(sizes) - sizes
    return np.arange(int(sizes.sum())) - np.repeat(begins, sizes)

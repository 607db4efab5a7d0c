"""Which texts an encoder can embed, by the coverage of its vocabulary.

A text without tokens has no embedding (``blank``), nor has a text with too many unknown words
(``unknown_words``). A word is unknown if the tokenizer has no token for it, or if the vocabulary
contains little more than single letters of its script. The vocabulary of all-MiniLM-L6-v2 has
27,532 tokens of two or more Latin letters, 8 of Cyrillic ones, 4 of Greek, 2 of Arabic and none of
any other script: it splits Korean into single letters.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import polars as pl
from tokenizers import Tokenizer

from prefine.serve.embedded import BLANK, UNKNOWN_WORDS

_SPACED = (
    *("Latin", "Greek", "Cyrillic", "Armenian", "Hebrew", "Arabic", "Devanagari", "Bengali"),
    *("Gurmukhi", "Gujarati", "Oriya", "Tamil", "Telugu", "Kannada", "Malayalam", "Sinhala"),
    *("Georgian", "Hangul", "Ethiopic"),
)
"""Scripts with spaces between words."""
_UNSPACED = {
    "Han": 1,
    "Hiragana": 3,
    "Katakana": 3,
    **dict.fromkeys(("Thai", "Lao", "Khmer", "Myanmar", "Tibetan"), 5),
}
"""Scripts without spaces between words, and the number of letters that count as one word."""
_TOKENS = 300
"""Minimum tokens of two or more letters for a script to be known; in small vocabularies one in a
hundred of all such tokens, if that is less."""
_CHARACTERS = 2_000
"""Minimum Chinese characters in a vocabulary for Chinese to be known. That of all-MiniLM-L6-v2 has
494 and lacks most of the characters of a text."""


class Vocabulary:
    """The words that a tokenizer's vocabulary covers.

    Args:
        tokenizer: JSON of a fast tokenizer.
        limit: Maximum share of unknown words in a text with an embedding.
    """

    def __init__(self, tokenizer: str, limit: float) -> None:
        self._tokenizer = Tokenizer.from_str(tokenizer)
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._limit = limit
        unknown = _unknown_token(orjson.loads(tokenizer)["model"])
        added = self._tokenizer.get_added_tokens_decoder()
        self._unknown = None if unknown is None else self._tokenizer.token_to_id(unknown)
        special = {number for number, token in added.items() if token.special}
        self.special = frozenset(special - {self._unknown})
        """Ids of the special tokens that do not represent text."""
        named = {token.content for token in added.values() if token.special} | {unknown}
        self._words, self._unknown_scripts, self._ascii_known = _patterns(
            _pieces(self._tokenizer, named)
        )

    @property
    def without_meaning(self) -> list[int]:
        """Ids of the special tokens and of the unknown-word token."""
        unknown = [] if self._unknown is None else [self._unknown]
        return sorted([*self.special, *unknown])

    def reasons(self, texts: Sequence[str], ids: Iterable[Sequence[int]]) -> list[str | None]:
        """Return why each text has no embedding: ``blank`` or ``unknown_words``; else null.

        Args:
            texts: Texts as the encoder receives them.
            ids: Token ids of each text, with or without special tokens.
        """
        ratios = self._unknown_script_ratios(texts)
        reasons: list[str | None] = []
        for text, tokens, ratio in zip(texts, ids, ratios, strict=True):
            inside = [token for token in tokens if token not in self.special]
            if not inside:
                reasons.append(BLANK)
            elif ratio > self._limit or self._is_mostly_unknown(text, inside):
                reasons.append(UNKNOWN_WORDS)
            else:
                reasons.append(None)
        return reasons

    def _unknown_script_ratios(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return the share of each text's words in unknown scripts, shape (texts,)."""
        ratios = np.zeros(len(texts))
        checked = [index for index, text in enumerate(texts) if self._needs_check(text)]
        if self._unknown_scripts is None or not checked:
            return ratios
        frame = pl.DataFrame({"text": [texts[index] for index in checked]}).select(
            pl.col("text").str.count_matches(self._unknown_scripts).alias("unknown"),
            pl.col("text").str.count_matches(self._words).alias("words"),
        )
        unknown, words = (frame[name].to_numpy() for name in ("unknown", "words"))
        ratios[checked] = np.minimum(unknown / np.maximum(words, 1), 1.0)
        return ratios

    def _needs_check(self, text: str) -> bool:
        return not (self._ascii_known and text.isascii())

    def _is_mostly_unknown(self, text: str, ids: Sequence[int]) -> bool:
        """Return whether the tokenizer has no token for too many of the words.

        Unknown emoji and symbols count only if the text has nothing else.
        """
        if self._unknown is None or self._unknown not in ids:
            return False
        if len(ids) == ids.count(self._unknown):
            return True
        encoding: Any = self._tokenizer.encode(text, add_special_tokens=False)
        spans = zip(encoding.ids, encoding.offsets, strict=True)
        unknown = [text[start:end] for token, (start, end) in spans if token == self._unknown]
        lettered = sum(any(map(str.isalpha, word)) for word in unknown)
        if not lettered:
            return False
        words = pl.Series([text]).str.count_matches(self._words).item()
        return lettered > self._limit * max(words, 1)


def _unknown_token(model: dict[str, Any]) -> str | None:
    """Return the unknown-word token; null for vocabularies that fall back to bytes or letters."""
    if model.get("unk_id") is not None:
        return model["vocab"][model["unk_id"]][0]
    return model.get("unk_token")


def _pieces(tokenizer: Tokenizer, special: set[str | None]) -> pl.Series:
    """Return the texts of all tokens that are not special."""
    pieces = [
        piece for piece in tokenizer.get_vocab(with_added_tokens=False) if piece not in special
    ]
    decoder: Any = tokenizer.decoder
    if decoder is not None and "ByteLevel" in repr(decoder):
        pieces = list(map(_text_of_bytes, pieces))
    return pl.Series(pieces, dtype=pl.String)


def _patterns(pieces: pl.Series) -> tuple[str, str | None, bool]:
    """Return regular expressions of words and of unknown words, and whether Latin is known."""
    # a single letter is a symbol, as in mathematics, and not a word
    unspaced = "".join(rf"\p{{{script}}}" for script in _UNSPACED)
    runs = [rf"\p{{{script}}}{{1,{letters}}}" for script, letters in _UNSPACED.items()]
    words = "|".join([*runs, rf"[\p{{L}}\p{{M}}--[{unspaced}]]{{2,}}"])
    known = _known_scripts(pieces)
    unknown = [rf"\p{{{script}}}{{2,}}" for script in _SPACED if script not in known]
    unknown += [
        rf"\p{{{script}}}{{1,{letters}}}"
        for script, letters in _UNSPACED.items()
        if script not in known
    ]
    return words, "|".join(unknown) if known and unknown else None, "Latin" in known


def _known_scripts(pieces: pl.Series) -> set[str]:
    """Return the known scripts; none for a vocabulary of bytes or single letters."""
    several = [r"[가-힣]|\p{Hangul}{2,}" if s == "Hangul" else rf"\p{{{s}}}{{2,}}" for s in _SPACED]
    several += [rf"\p{{{script}}}{{2,}}" for script in _UNSPACED]
    names = (*_SPACED, *_UNSPACED)
    counts = {
        name: int(pieces.str.contains(pattern).sum())
        for name, pattern in zip(names, several, strict=True)
    }
    least = max(1, min(_TOKENS, sum(counts.values()) // 100))
    known = {name for name, count in counts.items() if count >= least and name != "Han"}
    if int(pieces.str.contains(r"\p{Han}").sum()) >= _CHARACTERS:
        known.add("Han")
    return known


def _text_of_bytes(piece: str) -> str:
    """Return the text of a byte-level token, without incomplete characters."""
    return bytes(_BYTES[character] for character in piece if character in _BYTES).decode(
        "utf-8", "ignore"
    )


def _byte_characters() -> dict[str, int]:
    """Return the byte that each character of a byte-level vocabulary represents.

    Source: GPT-2's ``bytes_to_unicode``.
    """
    printed = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in set(printed)]
    characters = chain(printed, range(256, 256 + len(others)))
    return {
        chr(character): byte
        for character, byte in zip(characters, [*printed, *others], strict=True)
    }


_BYTES = _byte_characters()

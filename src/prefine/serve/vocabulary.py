"""Which texts an encoder can embed: what its vocabulary knows of the words in them.

A text has no embedding where it holds no token (``blank``), or where the encoder knows too few of
its words (``unknown_words``). A word is unknown where the tokenizer has no token for it, or where
it is written in a script of which the vocabulary has hardly more than single letters. The
vocabulary of all-MiniLM-L6-v2 has 27,532 tokens of two or more Latin letters, 8 Cyrillic ones, 4
Greek, 2 Arabic and none of any other script: Korean is spelled to it, letter by letter.
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
_UNSPACED = {
    "Han": 1,
    "Hiragana": 3,
    "Katakana": 3,
    **dict.fromkeys(("Thai", "Lao", "Khmer", "Myanmar", "Tibetan"), 5),
}
"""Scripts without blanks between words, and how many of their letters count as one word."""
_TOKENS = 300
"""Tokens of two or more letters of a script from which on its words are known; one in a hundred of
all such tokens where that is less, for small vocabularies."""
_CHARACTERS = 2_000
"""Chinese characters in a vocabulary from which on Chinese is known. That of all-MiniLM-L6-v2 has
494, and leaves out most of those that a text has."""


class Vocabulary:
    """What a tokenizer knows of words.

    Args:
        tokenizer: JSON of a fast tokenizer.
        limit: Largest share of unknown words in a text with an embedding.
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
        """Ids of the special tokens that stand for no text."""
        named = {token.content for token in added.values() if token.special} | {unknown}
        self._words, self._unread, self._ascii_known = _patterns(_pieces(self._tokenizer, named))

    @property
    def wordless(self) -> list[int]:
        """The ids of tokens that carry no meaning: special ones and the unknown word's."""
        unknown = [] if self._unknown is None else [self._unknown]
        return sorted([*self.special, *unknown])

    def reasons(self, texts: Sequence[str], ids: Iterable[Sequence[int]]) -> list[str | None]:
        """Tell of each text why it has no embedding: ``blank`` or ``unknown_words``; else null.

        Args:
            texts: As they are embedded.
            ids: The tokens of each, special ones included or not.
        """
        ratios = self._unread_ratios(texts)
        found: list[str | None] = []
        for text, tokens, ratio in zip(texts, ids, ratios, strict=True):
            inside = [token for token in tokens if token not in self.special]
            if not inside:
                found.append(BLANK)
            elif ratio > self._limit or self._mostly_unknown(text, inside):
                found.append(UNKNOWN_WORDS)
            else:
                found.append(None)
        return found

    def _unread_ratios(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return the share of each text's words whose script the vocabulary does not know."""
        ratios = np.zeros(len(texts))
        asked = [place for place, text in enumerate(texts) if self._asked(text)]
        if self._unread is None or not asked:
            return ratios
        frame = pl.DataFrame({"text": [texts[place] for place in asked]}).select(
            pl.col("text").str.count_matches(self._unread).alias("unread"),
            pl.col("text").str.count_matches(self._words).alias("words"),
        )
        unread, words = (frame[name].to_numpy() for name in ("unread", "words"))
        ratios[asked] = np.minimum(unread / np.maximum(words, 1), 1.0)
        return ratios

    def _asked(self, text: str) -> bool:
        return not (self._ascii_known and text.isascii())

    def _mostly_unknown(self, text: str, ids: Sequence[int]) -> bool:
        """Tell whether the tokenizer has no token for too many of the words.

        Emoji and other signs that are unknown count only where there is nothing else.
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
    """Return the token of unknown words; none where bytes or letters stand in for them."""
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
    """Return expressions of words and of words in unknown scripts, and whether Latin is known."""
    # single letters are no words but signs, as in mathematics
    unspaced = "".join(rf"\p{{{script}}}" for script in _UNSPACED)
    runs = [rf"\p{{{script}}}{{1,{letters}}}" for script, letters in _UNSPACED.items()]
    words = "|".join([*runs, rf"[\p{{L}}\p{{M}}--[{unspaced}]]{{2,}}"])
    known = _known_scripts(pieces)
    unread = [rf"\p{{{script}}}{{2,}}" for script in _SPACED if script not in known]
    unread += [
        rf"\p{{{script}}}{{1,{letters}}}"
        for script, letters in _UNSPACED.items()
        if script not in known
    ]
    return words, "|".join(unread) if known and unread else None, "Latin" in known


def _known_scripts(pieces: pl.Series) -> set[str]:
    """Return the scripts whose words a vocabulary knows; none for one of bytes or letters."""
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
    """Return the text of a byte-level token; what is no whole letter is left out."""
    return bytes(_BYTES[sign] for sign in piece if sign in _BYTES).decode("utf-8", "ignore")


def _byte_signs() -> dict[str, int]:
    """Return the byte that each sign of a byte-level vocabulary stands for.

    Source: GPT-2's ``bytes_to_unicode``.
    """
    printed = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in set(printed)]
    signs = chain(printed, range(256, 256 + len(others)))
    return {chr(sign): byte for sign, byte in zip(signs, [*printed, *others], strict=True)}


_BYTES = _byte_signs()

"""The kind of difference between two near copies: numbers, negations, symbols, or words only.

The first three are traits, computed for each text alone; two texts differ in a trait when its
values are unequal. Equality of a trait is therefore transitive within a cluster.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import polars as pl

from prefine.text.words import Hashes, exact_texts, split_words

Apart = Literal["numbers", "negations", "symbols"]
"""Differences that can reverse a label."""

TRAITS: tuple[Apart, ...] = ("numbers", "negations", "symbols")
"""All traits, the most serious first."""
DIFFERENCES = (*TRAITS, "words", "order", "form", "none")
"""The most serious first. ``form`` is case, white space, punctuation and markup."""

_UNITS = (
    "mg|g|kg|cl|dl|ml|l|nm|mm|cm|dm|m|km|ms|s|min|h|hz|khz|mhz|ghz|kb|mb|gb|tb|w|kw|mw|v|mv|"
    "cal|kcal|oz|lb|lbs|ft|mph|usd|eur|gbp|am|pm"
)
_NUMBER_WORDS = (
    "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|"
    "seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|"
    "thousand|million|billion"
)
_GROUPED = r"(\d),(\d{3})\b"
_UNIT = rf"(\d) ({_UNITS})\b"
_NUMBER = rf"\d+(?:(?:{_UNITS})\b)?|\b(?:{_NUMBER_WORDS})\b|[二两兩三四五六七八九十百千万萬亿億]"

_NO_NEGATION = (
    "非常|不过|不過|不仅|不僅|不但|无论|無論|不论|不論|不管|未来|未來|除非|非洲|莫非|"
    "아니면|아니요|아니오"
)
_NEGATIONS = (
    # English
    r"\b(?:not|no|never|none|nobody|nothing|nowhere|neither|nor|without|cannot|false)\b",
    r"n['’]t\b",  # noqa: RUF001 - the apostrophe of printed text
    r"\b(?:is|are|was|were|do|does|did|has|have|had|would|could|should|ca|wo|ai)nt\b",
    # Chinese; 别 is a prohibition only after the person addressed
    "[不没沒無无非未勿]",
    "(?:请|請|千万|千萬|你|您|们|們)[别別]",
    # Korean
    r"\b(?:안|못)\b|\w*[않없]\w*|\b아[니닌닙닐]\w*|\b못[하한할해했]\w*|지 [마말]\w*",
    # German
    r"\b(?:nichts?|nie|niemals|niemand\w*|kein\w*|ohne|weder|nirgends|nirgendwo|nein)\b",
    # French; spoken French omits "ne", and "plus" alone mostly means "more"
    r"\b(?:pas|jamais|rien|aucun\w*|sans|ni|non|nulle?)\b",
    r"\bn(?:e |['’])(?:\w+ ){1,2}(?:plus|personne|guère)\b",  # noqa: RUF001 - as above
    # Spanish
    r"\b(?:nunca|jamás|nadie|nada|ningún|ningun\w*|sin|tampoco)\b",
    # Italian, Portuguese, Dutch, Swedish
    r"\b(?:senza|mai|nessun\w*|não|sem|nem|ninguém|niet|geen|nooit|zonder|inte|ingen|utan)\b",
    # Japanese, Thai; Vietnamese, Turkish
    "ません|ない|なかった|なければ|ではなく|じゃなく|ไม่|ห้าม",
    r"\b(?:không|chưa|đừng|değil|yok)\b",
    # Russian, Ukrainian, Greek, Hebrew, Arabic, Hindi
    r"\b(?:не|ні|ни|нет|без|нельзя|никогда|никто|ничего|δεν|δε|μην|όχι|χωρίς)\b",
    r"\b(?:לא|אין|בלי|لا|ليس\w*|لم|لن|غير|بدون|नहीं|मत|बिना)\b",
)
_NEGATION = "|".join(_NEGATIONS)

_HAS_LETTERS = r"[\w\p{So}]"
"""Matches words that are not punctuation only."""

_LAYOUT = (
    # language of a code block
    (r"(?m)^[ \t]*```[\w+#-]*", ""),
    # bullets, headings, quotes and rules at the beginning of a line
    (r"(?m)^[ \t]*(?:(?:[-*+•>]+|#{1,6})[ \t]+|[-=*_]{3,}[ \t]*$)", ""),
    # emphasis
    (r"(^|[\s(\"“])\*{1,3}(\w)", "${1}${2}"),
    (r"([\w.:!?)\"”])\*{1,3}($|[\s,.;:!?)])", "${1}${2}"),
    # and/or, well-known, 3-month, a dash between words
    (r"(\p{L}{2})/(\p{L}{2})", "${1} ${2}"),
    (r"([\p{L}\d])-(\p{L}{2})", "${1} ${2}"),
    (r"(\p{L}{2})\s+-+\s+(\p{L}{2})", "${1} ${2}"),
    # parentheses of calls and formulas become other characters; those of prose stay
    (r"(\w)\(", "${1}⟮"),
    (r"[(⟮]([^()⟮\n]{0,60}[-+*/=<>^][^()⟮\n]{0,60})\)", "⟮${1}⟯"),
)
_SYMBOL = (
    r"[-−+*/<>=≤≥≠≈±×÷√∑∏∫∂∞∈∀∃^%‰|~@#&€£¥°\\\[\]{}⟮⟯²³¹]"  # noqa: RUF001 - the sign of minus
    r"|\b(?:python|java|javascript|typescript|golang|rust|kotlin|swift|scala|ruby|perl|php|haskell|"
    r"matlab|fortran|cobol|bash|powershell|mysql|postgresql|html|css)\b"
    r"|[＋－＝＜＞％＾]|[(（][a-h][)）]|\b(?:answer|option|choice)(?: is|:)? [a-h]\b"  # noqa: RUF001
    r"|\bgo (?:function|program|code|method|struct|script|package)\b"
    r"|\b\w!|[)\]]!|!=|!\w|\b\w;|[)\]}];"
)


def traits(texts: Sequence[str]) -> Hashes:
    """Return the traits of each text.

    Returns:
        Numbers that are equal where texts do not differ in the trait, shape (texts, traits), in
        the order of ``TRAITS``.
    """
    plain = exact_texts(texts).str.to_lowercase()
    columns = (_numbers(plain), _negations(plain), _symbols(plain))
    return np.stack([column.to_numpy() for column in columns], axis=1)


def differences(left: Sequence[str], right: Sequence[str]) -> pl.Series:
    """Return the most serious difference of each pair of texts, one of ``DIFFERENCES``."""
    both = [*left, *right]
    words = split_words(both)
    kinds = traits(both)
    spoken = words.list.eval(pl.element().filter(pl.element().str.contains(_HAS_LETTERS)))
    ordered, sorted_ = (w.list.join(" ") for w in (spoken, spoken.list.sort()))
    facts = [*kinds.T, *(s.hash(seed=0).to_numpy() for s in (sorted_, ordered, exact_texts(both)))]
    names = np.full(len(left), DIFFERENCES[-1], dtype=object)
    for name, fact in reversed(list(zip(DIFFERENCES, facts, strict=False))):
        names[fact[: len(left)] != fact[len(left) :]] = name
    return pl.Series(names.tolist(), dtype=pl.String)


def _numbers(texts: pl.Series) -> pl.Series:
    """Hash the sequence of numbers with their units; 1,000 equals 1000."""
    plain = texts.str.replace_all(_GROUPED, "${1}${2}").str.replace_all(_GROUPED, "${1}${2}")
    return _sequence(plain.str.replace_all(_UNIT, "${1}${2}"), _NUMBER)


def _negations(texts: pl.Series) -> pl.Series:
    """Return the number of negations."""
    plain = texts.str.replace_all(_NO_NEGATION, "")
    return plain.str.count_matches(_NEGATION).cast(pl.UInt64)


def _symbols(texts: pl.Series) -> pl.Series:
    """Hash the sequence of symbols and operators, without those of markup and prose."""
    for pattern, kept in _LAYOUT:
        texts = texts.str.replace_all(pattern, kept)
    return _sequence(texts, _SYMBOL)


def _sequence(texts: pl.Series, pattern: str) -> pl.Series:
    return texts.str.extract_all(pattern).list.join(" ").hash(seed=0)

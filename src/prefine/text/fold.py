"""Fold invisible characters and formatting before texts are compared for contamination."""

import polars as pl

_POWERS = r"([0-9A-Za-z)])([⁰¹²³⁴⁵⁶⁷⁸⁹]+)"
_FRACTION = r"(\d)([¼½¾⅐-⅞])"
_UNSEEN = r"[\p{Cf}\x{FE00}-\x{FE0F}\x{E0100}-\x{E01EF}\x{115F}\x{1160}\x{3164}]"
_ACCENTS = r"[\x{0300}-\x{036F}]"
_ALIKE = {
    "\u2018": "'",
    "\u2019": "'",
    "\u201b": "'",
    "\u2032": "'",
    "\u2044": "/",
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    **dict.fromkeys(
        "\u00ab\u00bb\u2039\u203a\u201c\u201d\u201e\u201f\u2033\u300c\u300d\u300e", '"'
    ),
    "\u300f": '"',
}
_FORM = (
    (r'["`]+', " "),
    (r"(^|[\s(\[])[*_]{1,3}([^\s*_])", "${1}${2}"),
    (r"([^\s*_])[*_]{1,3}([\s)\].,;:!?]|$)", "${1}${2}"),
    (r"(^|\n)[ \t]*#{1,6}[ \t]+", "${1}"),
)


def normalize_texts(texts: list[str]) -> pl.Series:
    """Normalize texts so that formatting makes no difference.

    Compatibility forms are folded (NFKC: full-width letters, ligatures). Accents of Latin, Greek
    and Cyrillic letters, invisible characters (zero-width, bidirectional, soft hyphens, tags,
    variation selectors), quotation marks, and Markdown for emphasis, code and headings are removed.
    Dashes and apostrophes get one form. 5² becomes 5^2, so that it is not 52.
    """
    plain = pl.Series("text", texts, pl.String)
    if not (plain.str.len_bytes() == plain.str.len_chars()).all():
        plain = _characters(plain)
    for mark, instead in _FORM:
        plain = plain.str.replace_all(mark, instead)
    return plain


def _characters(texts: pl.Series) -> pl.Series:
    plain = texts.str.replace_all(_POWERS, "${1}^${2}").str.replace_all(_FRACTION, "${1} ${2}")
    plain = plain.str.normalize("NFKD").str.replace_all(_UNSEEN, "").str.replace_all(_ACCENTS, "")
    return plain.str.normalize("NFC").str.replace_many(_ALIKE)

"""The columns of contamination."""

from collections.abc import Collection

import pyarrow as pa

from prefine.measure.contamination.matches import METRICS
from prefine.schema import COUNT, SHARE, Column
from prefine.schema.columns import sides

_TEXT = pa.large_string()
SIMILAR = (
    Column(
        "contamination_similarity",
        pa.float64(),
        "cosine of the prompt and the nearest benchmark text, in [-1, 1]",
    ),
    Column("contamination_nearest", _TEXT, "id of the nearest benchmark text, or null"),
    Column(
        "contamination_similarity_reason",
        _TEXT,
        "why there is no cosine: blank, unknown_words; else null",
    ),
)
"""The columns that need embeddings."""


def columns_of(size: int, places: Collection[str]) -> tuple[Column, ...]:
    """Return the columns of the n-gram comparison.

    Args:
        size: Words in an n-gram.
        places: The tables that are compared: ``prompts``, ``responses``, or both.
    """
    about = {
        "overlap": f"largest share of a benchmark item's {size}-grams of words that occur in one "
        "text of the pair, in [0, 1]; 1 if a turn has exactly the words of the item",
        "covered": f"largest share of a benchmark item's words that are covered by {size}-grams "
        "shared with one text of the pair, in [0, 1]",
        "parts": "largest share of the words in a benchmark item's lines and options that are "
        "covered by n-grams shared with one text of the pair, in any order, in [0, 1]",
        "longest_run": "largest number of consecutive words of a benchmark item that occur in one "
        "text of the pair; 0 if no n-gram is shared",
    }
    columns = [
        *(
            Column(f"contamination_{name}", _type(name), about[name], range=_range(name))
            for name in METRICS
        ),
        Column(
            "contamination_by",
            _TEXT,
            "how the item with the largest overlap matches: exact (all words of a turn), ngrams, "
            "or whole (all words of a short item in a row); else null",
        ),
        Column(
            "contamination_benchmark",
            _TEXT,
            "benchmark of the item with the largest overlap, or null",
        ),
        Column("contamination_example", _TEXT, "id of the item with the largest overlap, or null"),
        Column(
            "contamination_run_example",
            _TEXT,
            "id of the item with the largest contamination_longest_run, or null",
        ),
        Column(
            "contamination_parts_example",
            _TEXT,
            "id of the item with the largest contamination_parts, or null",
        ),
    ]
    stems = {name: f"contamination_{name}" for name in METRICS}
    if "responses" in places:
        for name, stem in stems.items():
            columns += sides(stem, _type(name), stem, within=_range(name))
    if len(places) > 1:
        for name, stem in stems.items():
            columns.append(
                Column(f"prompt_{stem}", _type(name), f"{stem} of the prompt", range=_range(name))
            )
    return tuple(columns)


def _range(name: str) -> tuple[float, float]:
    return COUNT if name == "longest_run" else SHARE


def _type(name: str) -> pa.DataType:
    return pa.int64() if name == "longest_run" else pa.float64()

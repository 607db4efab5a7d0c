"""The columns of contamination."""

from collections.abc import Collection

import pyarrow as pa

from prefine.measure.contamination.matches import METRICS
from prefine.schema import COUNT, SHARE, Column
from prefine.schema.columns import sides

_TEXT = pa.large_string()
SIMILAR = (
    Column("contamination_similarity", pa.float64(), "cosine to the nearest benchmark text"),
    Column("contamination_nearest", _TEXT, "id of that text, or null"),
    Column(
        "contamination_similarity_reason",
        _TEXT,
        "why there is no cosine: blank, unknown_words; else null",
    ),
)
"""What embeddings say of the prompt."""


def columns_of(size: int, places: Collection[str]) -> tuple[Column, ...]:
    """Return the columns that words give.

    Args:
        size: Words in a run.
        places: Where items are looked for: ``prompts``, ``responses``, or both.
    """
    about = {
        "overlap": f"largest share of an item's runs of {size} words that stand in one text of the "
        "pair, in [0, 1]; 1 where a turn has the very same words",
        "covered": f"largest share of an item's words that lie in such runs of {size}, in [0, 1]",
        "parts": "largest share of an item's words that lie in such runs within its lines and "
        "options, or are all of a short one, in any order, in [0, 1]",
        "longest_run": "most words of an item in a row that lie in such runs; 0 where none does",
    }
    columns = [
        *(
            Column(f"contamination_{name}", _type(name), about[name], range=_range(name))
            for name in METRICS
        ),
        Column("contamination_by", _TEXT, "how the overlap was found: exact, ngrams, whole"),
        Column("contamination_benchmark", _TEXT, "the benchmark of that item, or null"),
        Column("contamination_example", _TEXT, "id of that item, or null"),
        Column("contamination_run_example", _TEXT, "id of the item of the longest run, or null"),
        Column("contamination_parts_example", _TEXT, "id of the item of the most parts, or null"),
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

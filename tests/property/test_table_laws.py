"""Laws of joined columns and of what two responses share, on drawn values."""

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prefine.measure.shared_chars import shared
from tests.examples import examples
from tests.made import explicit, table

quick = examples(60)
slow = examples(3)

FLOATS = st.floats(-8, 8).map(lambda value: round(value, 3))
VALUES = st.lists(
    st.fixed_dictionaries(
        {"m": FLOATS, "p": st.sampled_from([0.0, 0.25, 0.5, 1.0]), "a": FLOATS, "b": FLOATS}
    ),
    min_size=1,
    max_size=6,
)
RECIPE = """
name: made
shards: 2
sources: [{name: made, files: [rows.jsonl]}]
measures:
  - kind: table
    name: pairwise
    files: [pairs.jsonl]
    key: text
    per: pair
    columns:
      m: {type: number, flip: negate}
      p: {type: number, flip: complement}
      a: {type: number, flip: swap, partner: b}
      b: {type: number, flip: swap, partner: a}
  - kind: table
    name: single
    files: [responses.jsonl]
    key: text
    per: response
    columns: {r: {type: number}}
"""


def joined(drawn: list[dict[str, float]], *, swapped: bool) -> list[Any]:
    """Return the columns of both tables for data whose sides are swapped or not."""
    sides = [(f"Question {n}?", f"good {n}", f"bad {n}") for n in range(len(drawn))]
    data = [explicit(p, r, c) if swapped else explicit(p, c, r) for p, c, r in sides]
    pairs = [
        {"prompt": p, "chosen": c, "rejected": r, **row}
        for (p, c, r), row in zip(sides, drawn, strict=True)
    ]
    singles = [
        {"prompt": p, "response": text, "r": row[key]}
        for (p, c, r), row in zip(sides, drawn, strict=True)
        for text, key in ((c, "a"), (r, "b"))
    ]
    with tempfile.TemporaryDirectory() as name:
        for file, rows in (("rows", data), ("pairs", pairs), ("responses", singles)):
            text = "".join(f"{json.dumps(row)}\n" for row in rows)
            (Path(name) / f"{file}.jsonl").write_text(text)
        measured = [
            table(RECIPE, Path(name), f"measure_{one}").sort("pair_id")
            for one in ("pairwise", "single")
        ]
    first, second = measured
    both = first.join(second, on="pair_id").drop("pair_id")
    return both.rows(named=True)


@slow
@given(VALUES)
def test_swapping_the_sides_negates_margins_and_mirrors_the_rest(
    drawn: list[dict[str, float]],
) -> None:
    here, there = (joined(drawn, swapped=swapped) for swapped in (False, True))

    assert len(here) == len(drawn)
    for one, other in zip(here, there, strict=True):
        assert other == {
            "m": -one["m"],
            "p": 1 - one["p"],
            "a": one["b"],
            "b": one["a"],
            "chosen_r": one["rejected_r"],
            "rejected_r": one["chosen_r"],
            "r_margin": -one["r_margin"],
        }
        assert one["r_margin"] == one["a"] - one["b"]


@quick
@given(st.text("ab ", max_size=20), st.text("ab ", max_size=20))
def test_what_is_shared_fits_into_the_shorter_side(a: str, b: str) -> None:
    found = shared(a, b)

    assert shared(b, a) == found
    assert found.shared_chars == found.shared_prefix_chars + found.shared_suffix_chars
    assert found.shared_chars <= min(len(a), len(b))
    assert a[: found.shared_prefix_chars] == b[: found.shared_prefix_chars]
    end = found.shared_suffix_chars
    assert a[len(a) - end :] == b[len(b) - end :]
    assert (found.shared_chars_ratio == 1) == (a == b)

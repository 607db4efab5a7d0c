"""Displacement pressure measured in a run of a recipe."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.made import explicit, llama, table


@pytest.mark.slow
def test_pressure_is_that_of_the_stored_means(tmp_path: Path, write_lines: Any) -> None:
    llama("policy", tmp_path / "policy")
    rows = [explicit(f"Is it {n}?", f"Yes, it is {n}.", f"No {n * 7}") for n in range(5)]
    write_lines([*rows, explicit("Hm?", "x" * 90, "No")])
    recipe = (
        "name: made\nsources: [{name: made, files: [rows.jsonl]}]\nmeasures:\n"
        "  - {kind: pressure, neighbours: 2}\n"
        "  - {kind: ches/transformers, store: float32, max_tokens: 80, weights: "
        f"{{model: {tmp_path / 'policy'}}}}}\n"
    )

    found = table(recipe, tmp_path, "facts")
    means = table(recipe, tmp_path, "mean_states_ches")

    assert found["pressure_reason"].drop_nulls().to_list() == ["no_sums"]
    mean = {name: np.array(m) for name, _, m in means.iter_rows()}
    read = found.filter(pl.col("pressure").is_not_null())
    pairs = list(read.select("chosen_id", "rejected_id").iter_rows())
    for column, side in (("pressure", 0), ("pressure_reversed", 1)):
        for pair, value in zip(pairs, read[column], strict=True):
            own = mean[pair[side]]
            others = [other for other in pairs if other != pair]
            near = sorted(others, key=lambda other: -own @ mean[other[1]])[:2]
            expected = sum(own @ (mean[j[1]] - mean[j[0]]) for j in near)
            assert value == pytest.approx(expected, rel=1e-5)

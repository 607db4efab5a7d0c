import sys
from pathlib import Path
from subprocess import run

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prefine.decide.arrays import Facts, to_arrow
from prefine.errors import IntegrityError
from prefine.schema import Column, Flip
from prefine.store import Store

TEXT = pa.large_string()
COLUMNS = {
    "source": Column("source", TEXT, ""),
    "best": Column("best", TEXT, "", Flip.SWAP, "worst"),
    "worst": Column("worst", TEXT, "", Flip.SWAP, "best"),
}


def dictionary(texts: list[str | None]) -> pa.Array:
    return pa.array(texts, pa.string()).dictionary_encode()


def test_parts_with_different_dictionaries_share_codes() -> None:
    parts = [dictionary(["b", None, "a"]), dictionary(["a", "c", "b"])]
    facts = Facts(pa.table({"source": pa.chunked_array(parts)}), COLUMNS)
    texts = facts.texts("source")
    named = [None if code < 0 else texts[code] for code in facts.groups("source").own]
    assert named == ["b", None, "a", "a", "c", "b"]
    assert sorted(texts) == ["a", "b", "c"]
    assert facts.source_names == ("", "a", "b", "c")
    assert facts.source.tolist() == [2, 0, 1, 1, 3, 2]


def test_both_sides_of_a_text_share_codes() -> None:
    sides = {"best": dictionary(["x", "y"]), "worst": dictionary(["y", None])}
    facts = Facts(pa.table(sides), COLUMNS)
    best = facts.groups("best")
    texts = facts.texts("best")
    assert [texts[code] for code in best.own] == ["x", "y"]
    assert texts[best.turned[0]] == "y"
    assert best.turned[1] == -1


@pytest.mark.parametrize("values", [[1.5, np.nan, -0.0], [], [0.25] * 9])
def test_numbers_as_arrow_have_nulls_where_they_are_missing(values: list[float]) -> None:
    array = np.array(values)
    wanted = [None if np.isnan(value) else value for value in values]
    assert to_arrow(array, missing=np.isnan(array)).to_pylist() == wanted
    assert to_arrow(array).null_count == 0


def test_a_table_is_read_by_the_columns_asked_for_in_their_order(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1, 2], "b": ["x", "x"], "c": ["y", None]}).write_parquet(tmp_path / "t")
    store = Store(str(tmp_path))
    found = store.read_table("t", ["c", "a", "b"], dictionaries=["b"])
    assert found.column_names == ["c", "a", "b"]
    assert pa.types.is_dictionary(found.schema.field("b").type)
    assert not pa.types.is_dictionary(found.schema.field("c").type)
    assert found.to_pydict() == {"c": ["y", None], "a": [1, 2], "b": ["x", "x"]}
    assert store.read_table("t", []).num_rows == 2
    with pytest.raises(IntegrityError, match=r"t below .* is damaged .*'d'|\"d\""):
        store.read_table("t", ["a", "d"])


def test_reading_a_whole_table_does_not_load_data_sets_of_pyarrow(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "t")
    code = (
        "import sys; from prefine.store import Store; "
        f"Store({str(tmp_path)!r}).read_table('t', ['a']); print('pyarrow.dataset' in sys.modules)"
    )
    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"

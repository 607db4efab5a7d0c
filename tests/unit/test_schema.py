import polars as pl
import pyarrow as pa
import pytest

from prefine.schema import (
    Column,
    Flip,
    divide,
    hash_unit,
    pair_id,
    prompt_id,
    response_id,
    shard_of,
)
from tests.made import assistant, turn, user


def test_an_id_is_24_hex_digits_and_never_changes() -> None:
    asked = prompt_id([user("What is a haiku?")])
    said = response_id(asked, [assistant("A poem.")])

    assert asked == "5c7e5cd171360b07d151508a"
    assert said == "4b3fccc495d63f2882d3dc85"
    assert pair_id(asked, said) == pair_id(said, asked)


def test_roles_and_borders_between_turns_are_part_of_the_id() -> None:
    names = {
        prompt_id([user("a"), user("b")]),
        prompt_id([user("ab")]),
        prompt_id([turn("system", "a"), user("b")]),
        prompt_id([user("b"), user("a")]),
    }

    assert len(names) == 4


def test_all_rows_of_a_prompt_share_a_partition() -> None:
    names = [prompt_id([user(str(n))]) for n in range(2000)]
    parts = [shard_of(name, 7) for name in names]

    assert set(parts) == set(range(7))
    assert parts == [shard_of(name, 7) for name in names]


def test_a_seeded_number_depends_on_seed_purpose_and_key_alone() -> None:
    assert hash_unit(1, "split", "x") == hash_unit(1, "split", "x")
    assert len({hash_unit(1, "a", "x"), hash_unit(2, "a", "x"), hash_unit(1, "b", "x")}) == 3
    draws = [hash_unit(0, "fold", str(n)) for n in range(4000)]
    assert 0 <= min(draws) < 0.01
    assert 0.99 < max(draws) < 1
    assert sum(draws) / len(draws) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("flip", "expected"),
    [(Flip.SAME, 0.25), (Flip.NEGATE, -0.25), (Flip.COMPLEMENT, 0.75), (Flip.SWAP, 9.0)],
)
def test_a_flipped_pair_shows_its_columns_in_the_new_direction(flip: Flip, expected: float) -> None:
    partner = "other" if flip is Flip.SWAP else None
    column = Column("value", pa.float64(), "a value", flip, partner)
    frame = pl.DataFrame({"value": [0.25, 0.25], "other": [9.0, 9.0], "flipped": [False, True]})

    seen = frame.select(column.in_direction(pl.col("flipped")))["value"].to_list()

    assert seen == [0.25, expected]


def test_a_share_does_not_depend_on_the_rows_beside_it() -> None:
    varied = pl.DataFrame({"part": [3, 1, None, 0], "whole": [5, 7, 5, 0]})
    constant = pl.DataFrame({"part": [3, 1, None]}).with_columns(whole=pl.lit(5))
    share = divide(pl.col("part"), pl.col("whole"))

    in_varied = varied.select(share).to_series().to_list()
    in_constant = constant.select(share).to_series().to_list()

    assert in_varied[:3] == [3 / 5, 1 / 7, None]
    assert in_constant == [3 / 5, 1 / 5, None]
    assert in_varied[3] != in_varied[3]
    assert varied.clear().select(share).to_series().to_list() == []

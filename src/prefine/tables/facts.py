"""The table of facts: each pair with all measured columns and its seeded order."""

from collections.abc import Mapping, Sequence

import polars as pl
import pyarrow as pa

from prefine.errors import IntegrityError
from prefine.schema import PAIRS, Column, flat_schema, hash_unit
from prefine.step import Counts, StepSpec, Work

FACTS = "facts"
_VERSION = 3
_ORDER = pa.schema([pa.field("order", pa.float64(), nullable=False)])


def facts_spec(tables: Mapping[str, str], columns: Sequence[Column], seed: int) -> StepSpec:
    """Return the step that joins all measures to the pairs.

    Args:
        tables: The key of each measure table: ``pair_id`` or ``prompt_id``.
        columns: All columns that the measures write.
        seed: The recipe's seed, which determines ``order``, a position in [0, 1) of each pair.
    """
    measured = flat_schema("pair_id", tuple(columns))
    return StepSpec(
        name=FACTS,
        version=_VERSION,
        run=lambda work: _run_facts(work, tables),
        reads=("pairs", *tables),
        writes={FACTS: pa.unify_schemas([PAIRS, measured, _ORDER])},
        config={"tables": dict(tables), "seed": seed},
        rows_of="pairs",
        rows_to=FACTS,
        plain=("order",),
    )


def _run_facts(work: Work, tables: Mapping[str, str]) -> Counts:
    """Join all measures of a shard to its pairs.

    Raises:
        IntegrityError: A measure table lacks a row for a pair.
    """
    facts = work.read("pairs")
    rows = facts.height
    for table, key in tables.items():
        measured = work.read(table)
        facts = facts.join(measured, on=key, how="left", maintain_order="left", validate="m:1")
        present = facts.join(measured.select(key), on=key, how="semi").height
        if present != rows:
            raise IntegrityError(f"{table} has no row for {rows - present} of {rows} pairs")
    order = [hash_unit(work.seed, "order", pair) for pair in facts["pair_id"]]
    facts = facts.with_columns(pl.Series("order", order, pl.Float64))
    work.emit(FACTS, facts.sort("pair_id"))
    return Counts(rows, facts.height)

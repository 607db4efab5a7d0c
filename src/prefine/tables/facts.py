"""All facts about a pair in one row: the pair's own, and every measure's."""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from prefine.errors import IntegrityError
from prefine.schema import PAIRS, Column, flat_schema
from prefine.step import Counts, StepSpec, Work

FACTS = "facts"
_VERSION = 2


def facts_spec(tables: Mapping[str, str], columns: Sequence[Column]) -> StepSpec:
    """Return the step that lays the measures beside the pairs.

    Args:
        tables: The key of each measure table: ``pair_id`` or ``prompt_id``.
        columns: Everything that the measures write.
    """
    return StepSpec(
        name=FACTS,
        version=_VERSION,
        run=lambda work: _run_facts(work, tables),
        reads=("pairs", *tables),
        writes={FACTS: pa.unify_schemas([PAIRS, flat_schema("pair_id", tuple(columns))])},
        config={"tables": dict(tables)},
        rows_of="pairs",
        rows_to=FACTS,
    )


def _run_facts(work: Work, tables: Mapping[str, str]) -> Counts:
    """Lay all measures of a shard beside its pairs."""
    facts = work.read("pairs")
    rows = facts.height
    for table, key in tables.items():
        measured = work.read(table)
        facts = facts.join(measured, on=key, how="left", maintain_order="left", validate="m:1")
        present = facts.join(measured.select(key), on=key, how="semi").height
        if present != rows:
            raise IntegrityError(f"{table} has no row for {rows - present} of {rows} pairs")
    work.emit(FACTS, facts.sort("pair_id"))
    return Counts(rows, facts.height)

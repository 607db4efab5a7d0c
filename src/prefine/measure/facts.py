"""All facts about a pair in one row: the pair's own, and every measure's.

What comes in: pairs and measure tables of a shard. What goes out: one wide table, for rules, export
and explanations to read by column. What never happens: a pair that loses or gains a row in a join.
"""

from prefine.errors import IntegrityError
from prefine.schema.json import Json
from prefine.step import Counts, Work


def join(work: Work, tables: Json) -> Counts:
    """Lay all measures of a shard beside its pairs.

    Args:
        work: Reads ``pairs`` and the measure tables; writes ``facts``.
        tables: The key of each measure table: ``pair_id`` or ``prompt_id``.
    """
    facts = work.read("pairs")
    rows = facts.height
    for table, key in tables.items():
        measured = work.read(table)
        facts = facts.join(measured, on=key, how="left", maintain_order="left", validate="m:1")
        found = facts.join(measured.select(key), on=key, how="semi").height
        if found != rows:
            raise IntegrityError(f"{table} has no row for {rows - found} of {rows} pairs")
    work.emit("facts", facts.sort("pair_id"))
    return Counts(rows, facts.height)

"""The step that applies the rules to the facts of the corpus: one decision per pair."""

from collections.abc import Mapping
from functools import partial
from typing import cast

import pyarrow as pa

from prefine.decide.columns import ID_COLUMNS
from prefine.decide.engine import decide
from prefine.decide.limits import NEIGHBOURS
from prefine.decide.neighbours import build_graph
from prefine.decide.rule import Rule
from prefine.schema import DECISIONS, HUMAN_VERDICT, Column
from prefine.step import Counts, StepSpec, Work

DECIDE_VERSION = 5
_TEXTS = (pa.string(), pa.large_string())


def decide_spec(rules: tuple[Rule, ...], columns: Mapping[str, Column], seed: int) -> StepSpec:
    """Return the step that decides on all pairs.

    Args:
        rules: The rules in order, structural ones first.
        columns: All columns that a rule may read.
        seed: The recipe's seed, which determines the random order of pairs.
    """
    return StepSpec(
        name="decide",
        version=DECIDE_VERSION,
        run=partial(run_decide, rules=rules, columns=columns),
        reads=("facts", *_tables(rules)),
        writes={"decisions": DECISIONS},
        config={"rules": [rule.identity() for rule in rules], "seed": seed},
        scope="corpus",
        rows_of="facts",
        rows_to="decisions",
        plain=("pair_id", "order", "value"),
    )


def run_decide(work: Work, rules: tuple[Rule, ...], columns: Mapping[str, Column]) -> Counts:
    """Decide on all pairs of all shards.

    Args:
        work: Reads the columns of ``facts`` that rules name, and ``neighbour_lists`` for
            ``diverse`` rules; writes ``decisions`` in the order of the facts.
        rules: The rules in order, structural ones first.
        columns: All columns that a rule may read.
    """
    names = _columns_needed(rules, columns)
    schema = work.source_of("facts").writes["facts"]
    fields = cast("list[tuple[str, object]]", [(name, schema.field(name).type) for name in names])
    texts = [name for name, type_ in fields if name != "pair_id" and type_ in _TEXTS]
    read = partial(work.read_arrow, "facts", names, dictionaries=texts)
    parts = [read(part=part) for part in work.parts("facts")]
    facts = pa.concat_tables(parts)
    near = build_graph(work.read_all(NEIGHBOURS)) if NEIGHBOURS in _tables(rules) else None
    decided = decide(facts, rules, columns, near)
    work.notes["rules"] = decided.log
    work.notes["remarks"] = decided.remarks
    start = 0
    for part, of_part in enumerate(parts):
        rows = decided.decisions.slice(start, of_part.num_rows)
        work.emit("decisions", rows.add_column(0, "pair_id", of_part["pair_id"]), part=part)
        start += of_part.num_rows
    return Counts(facts.num_rows, decided.decisions.num_rows)


def _tables(rules: tuple[Rule, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(table for rule in rules for table in rule.tables()))


def _columns_needed(rules: tuple[Rule, ...], columns: Mapping[str, Column]) -> list[str]:
    """Return the columns of facts that rules read, with those that their flipped values need."""
    pending = {name for rule in rules for name in rule.columns_read()}
    if any(rule.ranking is not None and rule.ranking.diverse for rule in rules):
        pending.add("prompt_id")
    needed = set[str]()
    while pending:
        name = pending.pop()
        column = ID_COLUMNS.get(name) or columns.get(name)
        needed.add(name)
        pending |= set(column.needs() if column else ()) - needed
    return sorted({"source", "pair_id", "order", *needed, *({HUMAN_VERDICT} & columns.keys())})

"""Arrow schemas of all tables but those of measures.

All rows of a prompt are in one shard of every table. Ids are content hashes (``ids.py``).
"""

from collections.abc import Sequence
from enum import StrEnum

import pyarrow as pa

from prefine.schema.columns import COUNT, SHARE, Column, Flip, sides
from prefine.schema.ids import TOOL_PARTS

_TEXT = pa.large_string()


def _table(keys: dict[str, pa.DataType], facts: dict[str, pa.DataType]) -> pa.Schema:
    """Return a schema in which ``keys`` are not nullable and ``facts`` are."""
    required = [pa.field(name, type_, False) for name, type_ in keys.items()]
    return pa.schema(required + [pa.field(name, type_) for name, type_ in facts.items()])


MESSAGES = pa.large_list(
    pa.struct([pa.field(name, _TEXT) for name in ("role", "content", *TOOL_PARTS)])
)
"""Type of a list of messages; optional fields of ``Message`` are null where absent."""


class Kind(StrEnum):
    """Kind of a raw label."""

    PAIR = "pair"
    """A comparison of two responses: one is better, or neither."""
    RATING = "rating"
    """A number for one response, comparable among rows of the same aspect."""
    RANK = "rank"
    """A rank within the responses of one row, 1 the best; equal ranks are a tie."""


class Winner(StrEnum):
    """Result of a label of kind ``pair``."""

    A = "a"
    B = "b"
    TIE = "tie"
    """Both are equally good."""
    BOTH_BAD = "both_bad"
    """Neither is acceptable; counted as a tie, and also on its own."""
    INVALID = "invalid"
    """There is a label but no result, e.g. of a judge that failed or contradicted itself."""


PROMPTS = _table(
    {
        "prompt_id": _TEXT,
        "messages": MESSAGES,
        "source": _TEXT,
    },
    {
        "split": _TEXT,
        "language": _TEXT,
        "group": _TEXT,
        "meta": _TEXT,
        "tools": _TEXT,
    },
)
"""One row for each prompt. ``group`` is the subset or category that the source states; ``meta`` is
JSON; ``tools`` is the JSON text of a list of tools, where the source keeps them."""

RESPONSES = _table(
    {
        "response_id": _TEXT,
        "prompt_id": _TEXT,
        "messages": MESSAGES,
    },
    {
        "model": _TEXT,
        "meta": _TEXT,
    },
)
"""One row for each distinct (prompt, completion). ``model`` is the model that wrote it, the first
by name where several did."""

JUDGEMENTS = _table(
    {
        "prompt_id": _TEXT,
        "kind": _TEXT,
        "response_a": _TEXT,
        "context_mismatch": pa.bool_(),
        "source": _TEXT,
        "file": _TEXT,
        "row": pa.int64(),
        "index": pa.int32(),
    },
    {
        "response_b": _TEXT,
        "winner": _TEXT,
        "strength": pa.float64(),
        "strength_unit": _TEXT,
        "rating": pa.float64(),
        "rank": pa.float64(),
        "aspect": _TEXT,
        "annotator": _TEXT,
        "label": _TEXT,
        "own_id": _TEXT,
        "kept": _TEXT,
    },
)
"""One row for each raw label. ``strength`` is unsigned, in ``strength_unit``; ``file`` is the first
12 digits of the SHA-256 of the source file, ``row`` counts from 1, ``index`` numbers the labels of
one row. ``own_id`` is the user's id of the raw row, ``kept`` a JSON object of its kept columns."""

QUARANTINE = _table(
    {
        "source": _TEXT,
        "file": _TEXT,
        "row": pa.int64(),
        "reason": _TEXT,
        "detail": _TEXT,
    },
    {
        "own_id": _TEXT,
        "text": _TEXT,
    },
)
"""One row for each raw row that could not be used. ``text`` is the raw row, truncated."""

HUMAN_VERDICT = "human_verdict"
"""Column of pairs with the human verdict."""

PAIR_COLUMNS: tuple[Column, ...] = (
    Column(
        "own_id",
        _TEXT,
        "your own id of the source row of the pair (the first by source, file and row); two ids "
        "joined by `+` if chosen and rejected come from different rows",
    ),
    Column("source", _TEXT, "source of the labels, the first by name if there are several"),
    Column("num_sources", pa.int64(), "number of sources that contain the pair", range=COUNT),
    Column("group", _TEXT, "subset or category of the prompt, as named in the source"),
    Column("language", _TEXT, "language of the prompt, as named in the source"),
    Column(
        "label_source",
        _TEXT,
        "what determined the direction of the pair: label, rank, rating, reward or verdict",
    ),
    Column(
        "num_votes", pa.int64(), "number of valid labels: for either side, or a tie", range=COUNT
    ),
    Column(
        "votes_for",
        pa.int64(),
        "number of labels for the direction of the pair",
        Flip.SWAP,
        "votes_against",
        range=COUNT,
    ),
    Column(
        "votes_against",
        pa.int64(),
        "number of labels against the direction of the pair",
        Flip.SWAP,
        "votes_for",
        range=COUNT,
    ),
    Column(
        "votes_tie",
        pa.int64(),
        "number of ties among the labels, including `both_bad`",
        range=COUNT,
    ),
    Column(
        "votes_both_bad", pa.int64(), "number of labels that call both responses bad", range=COUNT
    ),
    Column("votes_invalid", pa.int64(), "number of labels without a valid result", range=COUNT),
    Column("num_annotators", pa.int64(), "number of distinct annotators of the pair", range=COUNT),
    Column(
        "agreement",
        pa.float64(),
        "share of the valid labels that are for the direction of the pair, in [0, 1]",
        Flip.SWAP,
        "disagreement",
        range=SHARE,
    ),
    Column(
        "disagreement",
        pa.float64(),
        "share of the valid labels that are against the direction of the pair, in [0, 1]",
        Flip.SWAP,
        "agreement",
        range=SHARE,
    ),
    Column(
        "strength",
        pa.float64(),
        "mean signed strength of the labels, in the unit of the source",
        Flip.NEGATE,
    ),
    *sides("rating", pa.float64(), "mean rating"),
    Column("rating_gap", pa.float64(), "rating of chosen minus rating of rejected", Flip.NEGATE),
    Column(
        "aspect_gap",
        pa.float64(),
        "mean rating over all aspects except `overall`, chosen minus rejected",
        Flip.NEGATE,
    ),
    Column(
        "aspects_disagree",
        pa.bool_(),
        "whether the overall rating and the mean of the aspects prefer different responses; null "
        "if one of them is missing",
    ),
    Column("is_tie", pa.bool_(), "whether the votes prefer neither response"),
    Column("is_contradiction", pa.bool_(), "whether there are labels for both directions"),
    Column(
        "is_identical",
        pa.bool_(),
        "whether chosen and rejected are the same text, as `pairs.identical` defines it",
    ),
    Column(
        "num_empty",
        pa.int64(),
        "number of the two responses that are blank: 0, 1 or 2",
        range=(0.0, 2.0),
    ),
    Column(
        "num_duplicates",
        pa.int64(),
        "number of labels that repeat a judgement of another row; they do not count as votes",
        range=COUNT,
    ),
    Column("both_orders", pa.bool_(), "whether annotators saw the two responses in both orders"),
    Column(
        "context_mismatch",
        pa.bool_(),
        "whether the two responses answer different conversations",
    ),
    Column(
        "turns_alternate",
        pa.bool_(),
        "whether both conversations alternate between user and assistant, starting with the user, "
        "after at most one system turn; tool turns and the assistant turn after them count as "
        "part of the turn before",
    ),
    Column(
        "starts_with_user", pa.bool_(), "whether the first turn after system turns is the user's"
    ),
    Column("system_first", pa.bool_(), "whether there is no system turn after the first turn"),
    Column("num_system_turns", pa.int64(), "number of system turns of the prompt", range=COUNT),
    Column("num_empty_turns", pa.int64(), "number of blank turns of the prompt", range=COUNT),
    Column("num_prompt_turns", pa.int64(), "number of turns of the prompt", range=COUNT),
    Column(
        HUMAN_VERDICT,
        _TEXT,
        "human verdict: `right` or `wrong` about the direction given by the labels, `tie`, "
        "`both_bad` or `drop`; null where no verdict outranks the labels",
    ),
    Column("human_by", _TEXT, "reviewer of the human verdict; several names are joined by `+`"),
    Column("human_at", _TEXT, "time of the latest human verdict, as written in the file"),
    Column("num_verdicts", pa.int64(), "number of human verdicts on the pair", range=COUNT),
)
"""Columns that every pair has before anything is measured."""


def pairs_schema(kept: Sequence[Column] = ()) -> pa.Schema:
    """Return the schema of pairs: one row for each unordered pair of responses, with a direction.

    Args:
        kept: Columns that sources keep.
    """
    keys = ("pair_id", "prompt_id", "chosen_id", "rejected_id")
    return _table(
        dict.fromkeys(keys, _TEXT),
        {column.name: column.type for column in (*PAIR_COLUMNS, *kept)},
    )


PAIRS = pairs_schema()
"""Schema of pairs without kept columns."""

DECISIONS = _table(
    {
        "pair_id": _TEXT,
        "verdict": _TEXT,
        "weight": pa.float64(),
        "order": pa.float64(),
    },
    {
        "rule": _TEXT,
        "column": _TEXT,
        "value": pa.float64(),
        "threshold": pa.float64(),
        "flipped_by": _TEXT,
        "flips": pa.large_list(_TEXT),
        "value_text": _TEXT,
        "threshold_text": _TEXT,
    },
)
"""One row for each pair, in the order of the facts. ``verdict`` is keep, drop, flip or hold;
``rule`` is the rule that decided, null for a pair that passed all; ``flipped_by`` is the rule that
flipped the pair, even if another rule dropped it later; ``flips`` lists all rules that flipped it,
in order; ``order`` is a seeded pseudo-random number in [0, 1)."""

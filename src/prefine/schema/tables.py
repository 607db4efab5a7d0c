"""The Arrow schema of every table that is not a measure.

All rows of a prompt lie in one shard, whatever the table. Ids are content hashes (``ids.py``).
"""

from collections.abc import Sequence
from enum import StrEnum

import pyarrow as pa

from prefine.schema.columns import COUNT, SHARE, Column, Flip, sides
from prefine.schema.ids import TOOL_PARTS

_TEXT = pa.large_string()


def _table(keys: dict[str, pa.DataType], facts: dict[str, pa.DataType]) -> pa.Schema:
    """Return a schema whose ``keys`` are never null and whose ``facts`` may be."""
    required = [pa.field(name, type_, False) for name, type_ in keys.items()]
    return pa.schema(required + [pa.field(name, type_) for name, type_ in facts.items()])


MESSAGES = pa.large_list(
    pa.struct([pa.field(name, _TEXT) for name in ("role", "content", *TOOL_PARTS)])
)
"""The type of a list of messages; what ``Message`` need not have is null."""


class Kind(StrEnum):
    """What a raw label says."""

    PAIR = "pair"
    """One of two responses is better, or neither is."""
    RATING = "rating"
    """A number for one response, comparable between rows of one aspect."""
    RANK = "rank"
    """A place within one row's list, 1 the best; equal places are a tie."""


class Winner(StrEnum):
    """Which side a label of kind ``pair`` names."""

    A = "a"
    B = "b"
    TIE = "tie"
    """Both are equally good."""
    BOTH_BAD = "both_bad"
    """Neither is acceptable; counted as a tie, kept apart because it means something else."""
    INVALID = "invalid"
    """The label is there but names no side: a judge that failed or contradicted itself."""


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
"""One row a prompt. ``group`` is the source's own subset or category; ``meta`` is JSON; ``tools``
is the JSON text of a list of tools, where the source keeps them."""

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
"""One row a distinct (prompt, completion). ``model`` is the first by name when several wrote it."""

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
"""One row a raw label as found. ``strength`` is unsigned, in ``strength_unit``; ``file`` is the
first 12 digits of the SHA-256 of the source file's bytes, ``row`` counts from 1, ``index`` tells
the labels of one row apart. ``own_id`` is the user's id of the raw row, ``kept`` a JSON object of
the columns that the source keeps."""

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
"""One row a raw row that could not be read. ``text`` is the raw row, cut."""

HUMAN_VERDICT = "human_verdict"
"""The column of pairs that says what humans decided."""

PAIR_COLUMNS: tuple[Column, ...] = (
    Column(
        "own_id",
        _TEXT,
        "the user's own id of the raw row behind the pair: the first by source, file and row; two "
        "joined by `+` where each side has a row of its own",
    ),
    Column("source", _TEXT, "the source whose label made the pair, the first by name if several"),
    Column("num_sources", pa.int64(), "how many sources hold the pair", range=COUNT),
    Column("group", _TEXT, "the source's own subset or category of the prompt"),
    Column("language", _TEXT, "the language that the source declares for the prompt"),
    Column("label_source", _TEXT, "what directs the pair: label, rank, rating, reward or verdict"),
    Column("num_votes", pa.int64(), "labels that name a side or call it a tie", range=COUNT),
    Column(
        "votes_for",
        pa.int64(),
        "labels for this direction",
        Flip.SWAP,
        "votes_against",
        range=COUNT,
    ),
    Column("votes_against", pa.int64(), "labels against it", Flip.SWAP, "votes_for", range=COUNT),
    Column("votes_tie", pa.int64(), "labels that call it a tie, both-bad included", range=COUNT),
    Column("votes_both_bad", pa.int64(), "labels that call both responses bad", range=COUNT),
    Column("votes_invalid", pa.int64(), "labels that name no side", range=COUNT),
    Column(
        "num_annotators", pa.int64(), "distinct annotators who labelled the couple", range=COUNT
    ),
    Column(
        "agreement",
        pa.float64(),
        "share of the valid votes that are for this direction, in [0, 1]",
        Flip.SWAP,
        "disagreement",
        range=SHARE,
    ),
    Column(
        "disagreement",
        pa.float64(),
        "share of the valid votes that are against this direction, in [0, 1]",
        Flip.SWAP,
        "agreement",
        range=SHARE,
    ),
    Column(
        "strength",
        pa.float64(),
        "mean signed strength of the votes, in the source's unit",
        Flip.NEGATE,
    ),
    *sides("rating", pa.float64(), "mean rating"),
    Column("rating_gap", pa.float64(), "rating of chosen minus rating of rejected", Flip.NEGATE),
    Column(
        "aspect_gap",
        pa.float64(),
        "mean rating of all aspects but `overall`, of chosen minus that of rejected",
        Flip.NEGATE,
    ),
    Column(
        "aspects_disagree",
        pa.bool_(),
        "the overall rating and the mean of the aspects favour different sides; null without both",
    ),
    Column("is_tie", pa.bool_(), "neither direction has more votes"),
    Column("is_contradiction", pa.bool_(), "there are votes for both directions"),
    Column(
        "is_identical",
        pa.bool_(),
        "chosen and rejected are the same text, as `pairs.identical` says",
    ),
    Column(
        "num_empty",
        pa.int64(),
        "how many of the two responses are blank: 0, 1 or 2",
        range=(0.0, 2.0),
    ),
    Column(
        "num_duplicates",
        pa.int64(),
        "labels that repeat the same judgement of another row; they are no votes",
        range=COUNT,
    ),
    Column("both_orders", pa.bool_(), "the couple was shown in both orders"),
    Column("context_mismatch", pa.bool_(), "the two sides' transcripts part before the last turn"),
    Column(
        "turns_alternate",
        pa.bool_(),
        "after at most one system turn, both conversations alternate between user and assistant, "
        "the user first; tool turns and the assistant turn after them belong to the turn before",
    ),
    Column("starts_with_user", pa.bool_(), "the first turn that is no system turn is the user's"),
    Column("system_first", pa.bool_(), "no system turn anywhere but as the very first turn"),
    Column("num_system_turns", pa.int64(), "system turns of the prompt", range=COUNT),
    Column("num_empty_turns", pa.int64(), "blank turns of the prompt", range=COUNT),
    Column("num_prompt_turns", pa.int64(), "turns of the prompt", range=COUNT),
    Column(
        HUMAN_VERDICT,
        _TEXT,
        "what humans decided: right or wrong, about the direction by the labels; tie, both_bad or "
        "drop; null where no verdict outranks the labels",
    ),
    Column("human_by", _TEXT, "who decided; several names are joined by `+`"),
    Column("human_at", _TEXT, "when the latest of them did, as written"),
    Column("num_verdicts", pa.int64(), "human verdicts on the pair", range=COUNT),
)
"""What rules can read about a pair before anything is measured."""


def pairs_schema(kept: Sequence[Column] = ()) -> pa.Schema:
    """Return the schema of pairs: one row an unordered couple, directed by its label.

    Args:
        kept: Further columns, which sources keep.
    """
    keys = ("pair_id", "prompt_id", "chosen_id", "rejected_id")
    return _table(
        dict.fromkeys(keys, _TEXT),
        {column.name: column.type for column in (*PAIR_COLUMNS, *kept)},
    )


PAIRS = pairs_schema()
"""Pairs without kept columns."""

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
"""One row a pair: ``verdict`` is keep, drop, flip or hold; ``rule`` is what decided, null for a
pair that passed every rule; ``flipped_by`` is the rule that turned the pair round, also when
another one dropped it later; ``flips`` are all rules that turned it, in order; ``order`` is a
seeded position in [0, 1). The rows are in the order of the facts."""

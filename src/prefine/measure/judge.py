"""What a judge in words says of pairs, asked in both orders.

What comes in: pairs with their texts, and a judge. What goes out: the probability that chosen is
better, and how far the judge depends on the order and on chance. What never happens: a pair judged
in one order only, an answer that could not be read counted as a tie.

With p_f the probability of chosen when it is shown first, and p_s when it is shown second:

    probability    = (p_f + p_s) / 2
    position_bias  = (p_f - p_s) / 2        above 0: being shown first helps
    consistent     = (p_f > 1/2) == (p_s > 1/2)

Source: FairEval (Wang et al. 2023) for the mean over orders, MT-Bench (Zheng et al. 2023) for the
consistency of verdicts.
"""

import re
from collections import Counter
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple, cast

import polars as pl

from prefine.measure.journal import Journal
from prefine.measure.policy import conversations
from prefine.recipe import VllmJudge
from prefine.schema import Message
from prefine.step import Counts, Work

if TYPE_CHECKING:
    from prefine.serve.chat import Chat
    from prefine.serve.judge import Answer, VllmJudges

_TASK = """You compare two responses to the last turn of a conversation.

What makes a response better: {principle}

=== Conversation
{conversation}

=== Response A
{first}

=== Response B
{second}

=== Question
Which response is the better one by what is said above? """
_SHORT = "Say A or B and nothing else."
_ALOUD = "Weigh both in a few sentences. Then end with the line `Verdict: A` or `Verdict: B`."
_MARK = re.compile(r"\{(principle|conversation|first|second)\}")
_EVEN = 0.5
_KEPT_ROWS = 16
"""Answers that are put aside together; half a second of a fast judge."""


class Told(NamedTuple):
    """What one order of a pair was answered with."""

    probability: float
    """Of the response that was shown first."""
    consistency: float
    num_answers: int


def wording(config: VllmJudge, asked: Sequence[Message], first: str, second: str) -> str:
    """Return the question about two responses.

    Args:
        config: Principle and wording.
        asked: The conversation that both answer.
        first: Shown as response A.
        second: Shown as response B.
    """
    text = config.wording or _TASK + (_ALOUD if config.reasoning_tokens else _SHORT)
    said = {
        "principle": config.principle,
        "conversation": turns(asked),
        "first": first,
        "second": second,
    }
    return _MARK.sub(lambda found: said[found[1]], text)


def turns(messages: Sequence[Message]) -> str:
    """Return messages as text, each behind its role."""
    return "\n\n".join(f"{message['role']}: {message['content']}" for message in messages)


def summary(answers: "Sequence[Answer]") -> Told | None:
    """Return what an order was answered with, or null where nothing could be read."""
    if not answers:
        return None
    named = Counter(answer.first for answer in answers)
    share = named.most_common(1)[0][1] / len(answers)
    return Told(fmean(answer.probability for answer in answers), share, len(answers))


def measure(work: Work, config: VllmJudge) -> Counts:
    """Judge all pairs of a shard; questions that an interrupted attempt asked are not again."""
    from prefine.serve.chat import chat_for
    from prefine.serve.judge import VllmJudges

    chat = chat_for(config.weights, None)
    judges = VllmJudges(config, work.runtime, chat)
    work.notes["servers"] = judges.check()
    journal = Journal(work, _KEPT_ROWS)
    count = work.read("pairs", ["pair_id"]).height
    work.expect(2 * count)
    for pairs in conversations(work):
        long = _ask(pairs, chat, judges, journal, config)
        work.emit(f"measure_{config.name}", _table(pairs, journal, long, config.name))
    return Counts(count, count)


def _ask(
    pairs: pl.DataFrame, chat: "Chat", judges: "VllmJudges", journal: Journal, config: VllmJudge
) -> set[str]:
    """Ask what was not asked yet; return the pairs whose question is too long."""
    from prefine.serve.judge import Question

    questions: dict[str, Question] = {}
    long: set[str] = set()
    for name, asked, chosen, rejected in pairs.select(
        "pair_id", "asked", "chosen", "rejected"
    ).iter_rows():
        prompt, sides = cast("Sequence[Message]", asked), (_said(chosen), _said(rejected))
        texts = [wording(config, prompt, *sides), wording(config, prompt, *reversed(sides))]
        room = config.max_tokens - max(1, config.reasoning_tokens)
        messages: list[list[Message]] = [[{"role": "user", "content": text}] for text in texts]
        if any(len(chat.ids(chat.text(m, ask=True))) > room for m in messages):
            long.add(name)
            continue
        for order, message in zip("fs", messages, strict=True):
            questions[f"{name}/{order}"] = Question(message, int(name[:7], 16))
    missing = [name for name in questions if name not in journal.values]
    journal.work.progress(2 * pairs.height - len(missing))

    def on_answer(place: int, answers: "list[Answer]") -> None:
        told = summary(answers)
        journal.add({missing[place]: None if told is None else list(told)})

    judges.ask([questions[name] for name in missing], on_answer)
    journal.write()
    return long


def _said(messages: object) -> str:
    """Return a response as the judge reads it: its text, or its turns where it has several."""
    found = cast("Sequence[Message]", messages)
    return found[0]["content"] if len(found) == 1 else turns(found)


def _table(pairs: pl.DataFrame, journal: Journal, long: set[str], name: str) -> pl.DataFrame:
    rows = [_row(pair, journal, long) for pair in pairs["pair_id"]]
    schema = {
        "pair_id": pl.String,
        f"{name}_probability": pl.Float64,
        f"{name}_position_bias": pl.Float64,
        f"{name}_position_consistent": pl.Boolean,
        f"{name}_self_consistency": pl.Float64,
        f"{name}_num_answers": pl.Int64,
        f"{name}_reason": pl.String,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _row(pair: str, journal: Journal, long: set[str]) -> tuple[object, ...]:
    if pair in long:
        return (pair, None, None, None, None, 0, "too_long")
    found = [journal.values[f"{pair}/{order}"] for order in "fs"]
    told = [None if one is None else Told(*one) for one in found]
    num_answers = sum(one.num_answers for one in told if one is not None)
    first, second = told
    if first is None or second is None:
        return (pair, None, None, None, None, num_answers, "unparsable")
    both = both_orders(first.probability, 1 - second.probability)
    consistency = (first.consistency + second.consistency) / 2
    return (pair, *both, consistency, num_answers, None)


def both_orders(first: float, second: float) -> tuple[float, float, bool]:
    """Combine the two orders of a pair.

    Args:
        first: Probability of chosen where it is shown first.
        second: The same where it is shown second.

    Returns:
        Probability, position bias, and whether both orders name the same response.
    """
    consistent = (first > _EVEN) == (second > _EVEN)
    return (first + second) / 2, (first - second) / 2, consistent

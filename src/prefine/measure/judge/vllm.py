"""What a judge in words says of pairs, asked in both orders.

Every pair is judged in both orders; an answer that cannot be read is no tie.

With p_f the probability of chosen when it is shown first, and p_s when it is shown second:

    probability    = (p_f + p_s) / 2
    position_bias  = (p_f - p_s) / 2        above 0: being shown first helps
    consistent     = (p_f > 1/2) == (p_s > 1/2)

Source: FairEval (Wang et al. 2023) for the mean over orders, MT-Bench (Zheng et al. 2023) for the
consistency of verdicts.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self, cast

import polars as pl
import pyarrow as pa
from pydantic import AfterValidator, Field, model_validator

from prefine.measure.base import Measure
from prefine.measure.judge.answers import OrderSummary, both_orders, summary
from prefine.measure.judge.wording import Wording, question, require_marks, response_text
from prefine.schema import COUNT, SHARE, Column, Flip, Message
from prefine.serve.vllm.served import Served
from prefine.settings import FloatType, Inputs, Name, Need, Weights
from prefine.step import Counts, ValueJournal, Work
from prefine.tables.conversations import conversations

if TYPE_CHECKING:
    from prefine.serve.chat import Chat
    from prefine.serve.vllm.judge import Answer, JudgeClient

_ROWS_PER_PIECE = 16
"""Answers that are kept together; half a second of a fast judge."""


class VllmJudge(Measure):
    """A generative judge behind vLLM servers: every pair in both orders, A or B as the answer."""

    tables: ClassVar = ("pairs", "prompts", "responses")
    uses: ClassVar[Literal["cpu", "model"]] = "model"

    kind: Literal["judge/vllm"]
    name: Name = "judge"
    weights: Weights
    """The judge; its tokenizer says which tokens are the answers."""
    served_model: str
    """The name under which the server serves the model; another answer is an error."""
    dtype: FloatType = "bfloat16"
    """The type in which the server computes."""
    principle: str = (
        "The better response does what was asked, is true, and harms nobody; of two that are "
        "equal in this, the clearer one is better."
    )
    """What makes a response better, in words that the judge is told."""
    wording: Annotated[str, AfterValidator(require_marks)] | None = None
    """The whole question, with ``{principle}``, ``{conversation}``, ``{first}`` and ``{second}``
    where they belong; null takes one of prefine's."""
    reasoning_tokens: int = Field(default=0, ge=0)
    """How long the judge may think aloud before it ends with ``Verdict: A`` or ``Verdict: B``; with
    0 it can say nothing but A or B."""
    samples: int = Field(default=1, ge=1, le=64)
    """Answers to each question."""
    temperature: float = Field(default=0.0, ge=0, le=2)
    max_tokens: int = Field(default=16_384, ge=8)
    """How long a question and its answer may be; a pair with a longer one is not judged."""

    @model_validator(mode="after")
    def _varied(self) -> Self:
        if self.samples > 1 and not self.temperature:
            raise ValueError("several samples are all alike at a temperature of 0; raise it")
        return self

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        name = self.name
        return (
            Column(
                f"{name}_probability",
                pa.float64(),
                "probability that chosen is better, the mean of both orders, in [0, 1]",
                Flip.COMPLEMENT,
            ),
            Column(
                f"{name}_position_bias",
                pa.float64(),
                "half of what being shown first adds to that probability, in [-0.5, 0.5]",
            ),
            Column(
                f"{name}_position_consistent",
                pa.bool_(),
                "both orders name the same response as the better one",
            ),
            Column(
                f"{name}_self_consistency",
                pa.float64(),
                "share of an order's answers that agree with most of them, the mean of both orders",
                range=SHARE,
            ),
            Column(
                f"{name}_num_answers",
                pa.int64(),
                "answers that could be read, of both orders",
                range=COUNT,
            ),
            Column(
                f"{name}_reason",
                pa.large_string(),
                "why there is no probability: too_long, unparsable; else null",
            ),
        )

    @property
    def question_wording(self) -> Wording:
        """How questions are put."""
        return Wording(self.wording, self.principle, self.reasoning_tokens > 0)

    def server(self, inputs: Inputs) -> Served:
        """Return what the servers must serve."""
        return Served(
            name=self.name,
            served_model=self.served_model,
            model=self.weights.resolved(inputs),
            task="judge",
            dtype=self.dtype,
            max_tokens=self.max_tokens,
        )

    def needs(self) -> tuple[Need, ...]:
        """Return the extras that ``run`` needs."""
        return (Need("tokenizer", self.kind_name()),)

    def run(self, work: Work) -> Counts:
        """Judge all pairs of a shard; answers that an interrupted attempt got are kept."""
        from prefine.serve.chat import chat_for
        from prefine.serve.vllm.judge import JudgeClient, Sampling

        chat = chat_for(work.model(self.weights), None)
        sampling = Sampling(self.samples, self.temperature, self.reasoning_tokens)
        client = JudgeClient(self.server(work.step.inputs), work.runtime, chat, sampling)
        work.notes["servers"] = client.check()
        journal = ValueJournal(work, _ROWS_PER_PIECE)
        count = work.read("pairs", ["pair_id"]).height
        work.expect(2 * count)
        for pairs in conversations(work):
            long = self._ask(pairs, chat, client, journal)
            work.emit(self.table, _table(pairs, journal, long, self.name))
        return Counts(count, count)

    def _ask(
        self, pairs: pl.DataFrame, chat: "Chat", client: "JudgeClient", journal: ValueJournal
    ) -> set[str]:
        """Ask what was not asked yet; return the pairs whose question is too long."""
        from prefine.serve.vllm.judge import Question

        wording = self.question_wording
        questions: dict[str, Question] = {}
        long: set[str] = set()
        for name, asked, tools, *both in pairs.select(
            "pair_id", "asked", "tools", "chosen", "rejected"
        ).iter_rows():
            prompt = cast("Sequence[Message]", asked)
            sides = [response_text(cast("Sequence[Message]", side)) for side in both]
            texts = [
                question(wording, prompt, *shown, tools=tools) for shown in (sides, sides[::-1])
            ]
            room = self.max_tokens - max(1, self.reasoning_tokens)
            messages: list[list[Message]] = [[{"role": "user", "content": text}] for text in texts]
            if any(len(chat.ids(chat.text(m, ask=True))) > room for m in messages):
                long.add(name)
                continue
            for order, message in zip("fs", messages, strict=True):
                questions[f"{name}/{order}"] = Question(message, int(name[:7], 16))
        missing = [name for name in questions if name not in journal.values]
        journal.work.progress(2 * pairs.height - len(missing))

        def on_answer(place: int, answers: "list[Answer]") -> None:
            read = summary(answers)
            journal.add({missing[place]: None if read is None else list(read)})

        client.ask([questions[name] for name in missing], on_answer)
        journal.write()
        return long


def _table(pairs: pl.DataFrame, journal: ValueJournal, long: set[str], name: str) -> pl.DataFrame:
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


def _row(pair: str, journal: ValueJournal, long: set[str]) -> tuple[object, ...]:
    if pair in long:
        return (pair, None, None, None, None, 0, "too_long")
    found = [journal.values[f"{pair}/{order}"] for order in "fs"]
    read = [None if one is None else OrderSummary(*one) for one in found]
    num_answers = sum(one.num_answers for one in read if one is not None)
    first, second = read
    if first is None or second is None:
        return (pair, None, None, None, None, num_answers, "unparsable")
    both = both_orders(first.probability, 1 - second.probability)
    consistency = (first.consistency + second.consistency) / 2
    return (pair, *both, consistency, num_answers, None)

"""Verdicts of a generative LLM judge on pairs, with both orders of the responses.

An answer that cannot be parsed does not count as a tie. With p_f the probability of chosen when it
is shown first, and p_s when it is shown second:

    probability    = (p_f + p_s) / 2
    position_bias  = (p_f - p_s) / 2        above 0: the judge favours the first response
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
from prefine.measure.judge.answers import OrderSummary, combine_orders, summarize_answers
from prefine.measure.judge.wording import (
    Wording,
    render_question,
    require_placeholders,
    response_text,
)
from prefine.schema import COUNT, SHARE, Column, Flip, Message
from prefine.serve.vllm.served import Served
from prefine.settings import FloatType, Inputs, Name, Need, Weights
from prefine.step import Counts, ValueJournal, Work
from prefine.tables.conversations import read_conversations

if TYPE_CHECKING:
    from prefine.serve.chat import Chat
    from prefine.serve.vllm.judge import Answer, JudgeClient

_ROWS_PER_PIECE = 16
"""Answers in one piece of the journal: about half a second of a fast judge."""


class VllmJudge(Measure):
    """Probability that chosen is better according to a generative LLM judge.

    Use it to check labels with an independent model; both orders of the responses are judged, which
    measures position bias. Needs running vLLM servers of the judge.
    """

    tables: ClassVar = ("pairs", "prompts", "responses")
    uses: ClassVar[Literal["cpu", "model"]] = "model"

    kind: Literal["judge/vllm"]
    """Selects this measure."""
    name: Name = "judge"
    """Name of the measure, and prefix of its columns."""
    weights: Weights
    """The judge model; its tokenizer defines the tokens of the answers A and B."""
    served_model: str
    """Name of the model on the server; a server with another model is an error."""
    dtype: FloatType = "bfloat16"
    """The floating-point type in which the server computes."""
    principle: str = (
        "The better response does what was asked, is true, and harms nobody; of two that are "
        "equal in this, the clearer one is better."
    )
    """The criterion for a better response, as the judge reads it."""
    wording: Annotated[str, AfterValidator(require_placeholders)] | None = None
    """Template of the whole question, with the placeholders ``{principle}``, ``{conversation}``,
    ``{first}`` and ``{second}``; null uses a built-in template."""
    reasoning_tokens: int = Field(default=0, ge=0)
    """Maximum number of tokens that the judge may generate before ``Verdict: A`` or ``Verdict: B``;
    with 0 it can only answer A or B."""
    samples: int = Field(default=1, ge=1, le=64)
    """Number of sampled answers for each order; more than 1 needs a ``temperature`` above 0."""
    temperature: float = Field(default=0.0, ge=0, le=2)
    """Sampling temperature; 0 is greedy decoding."""
    max_tokens: int = Field(default=16_384, ge=8)
    """Maximum number of tokens of a question and its answer; a longer pair is not judged and gets
    the reason ``too_long``."""

    @model_validator(mode="after")
    def _varied(self) -> Self:
        if self.samples > 1 and not self.temperature:
            raise ValueError(
                f"`samples: {self.samples}` needs a `temperature` above 0; at 0 all samples are "
                "equal"
            )
        return self

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        name = self.name
        return (
            Column(
                f"{name}_probability",
                pa.float64(),
                "probability that chosen is better, mean of both orders, in [0, 1]",
                Flip.COMPLEMENT,
            ),
            Column(
                f"{name}_position_bias",
                pa.float64(),
                "half of the difference between the probabilities of chosen when shown first and "
                "when shown second, in [-0.5, 0.5]",
            ),
            Column(
                f"{name}_position_consistent",
                pa.bool_(),
                "whether the judge prefers the same response in both orders",
            ),
            Column(
                f"{name}_self_consistency",
                pa.float64(),
                "share of the answers that agree with the majority, mean of both orders, in [0, 1]",
                range=SHARE,
            ),
            Column(
                f"{name}_num_answers",
                pa.int64(),
                "number of answers of both orders that could be parsed",
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
        """The template, the principle and the form of the answer."""
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
        """Judge all pairs of a shard, and reuse the answers of an interrupted attempt."""
        from prefine.serve.chat import chat_for
        from prefine.serve.vllm.judge import JudgeClient, Sampling

        chat = chat_for(work.model(self.weights), None)
        sampling = Sampling(self.samples, self.temperature, self.reasoning_tokens)
        client = JudgeClient(self.server(work.step.inputs), work.runtime, chat, sampling)
        work.notes["servers"] = client.check()
        journal = ValueJournal(work, _ROWS_PER_PIECE)
        count = work.read("pairs", ["pair_id"]).height
        work.expect(2 * count)
        for pairs in read_conversations(work):
            too_long = self._judge(pairs, chat, client, journal)
            work.emit(self.table, _table(pairs, journal, too_long, self.name))
        return Counts(count, count)

    def _judge(
        self, pairs: pl.DataFrame, chat: "Chat", client: "JudgeClient", journal: ValueJournal
    ) -> set[str]:
        """Send the questions without an answer; return the pairs whose question is too long."""
        from prefine.serve.vllm.judge import Question

        wording = self.question_wording
        questions: dict[str, Question] = {}
        too_long: set[str] = set()
        for name, prompt, tools, *both in pairs.select(
            "pair_id", "prompt", "tools", "chosen", "rejected"
        ).iter_rows():
            conversation = cast("Sequence[Message]", prompt)
            sides = [response_text(cast("Sequence[Message]", side)) for side in both]
            texts = [
                render_question(wording, conversation, *order, tools=tools)
                for order in (sides, sides[::-1])
            ]
            limit = self.max_tokens - max(1, self.reasoning_tokens)
            messages: list[list[Message]] = [[{"role": "user", "content": text}] for text in texts]
            if any(len(chat.ids(chat.text(m, ask=True))) > limit for m in messages):
                too_long.add(name)
                continue
            for order, message in zip("fs", messages, strict=True):
                questions[f"{name}/{order}"] = Question(message, int(name[:7], 16))
        missing = [name for name in questions if name not in journal.values]
        journal.work.progress(2 * pairs.height - len(missing))

        def on_answer(position: int, answers: "list[Answer]") -> None:
            summary = summarize_answers(answers)
            journal.add({missing[position]: None if summary is None else list(summary)})

        client.ask([questions[name] for name in missing], on_answer)
        journal.write()
        return too_long


def _table(
    pairs: pl.DataFrame, journal: ValueJournal, too_long: set[str], name: str
) -> pl.DataFrame:
    rows = [_row(pair, journal, too_long) for pair in pairs["pair_id"]]
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


def _row(pair: str, journal: ValueJournal, too_long: set[str]) -> tuple[object, ...]:
    if pair in too_long:
        return (pair, None, None, None, None, 0, "too_long")
    stored = [journal.values[f"{pair}/{order}"] for order in "fs"]
    orders = [None if values is None else OrderSummary(*values) for values in stored]
    num_answers = sum(order.num_answers for order in orders if order is not None)
    first, second = orders
    if first is None or second is None:
        return (pair, None, None, None, None, num_answers, "unparsable")
    both = combine_orders(first.probability, 1 - second.probability)
    consistency = (first.consistency + second.consistency) / 2
    return (pair, *both, consistency, num_answers, None)

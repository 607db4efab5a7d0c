"""An LLM judge on vLLM servers: probabilities of the answers A and B to questions.

The probability of A is that of the token A at the position of the answer, relative to B, from
logprobs before temperature and token masks (vLLM's ``raw_logprobs``). Answers that cannot be parsed
are ignored.
"""

import asyncio
import math
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import httpx

from prefine.errors import RecipeError
from prefine.schema import Message
from prefine.serve.chat import Chat
from prefine.serve.vllm.dialect import Dialect
from prefine.serve.vllm.lanes import RequestError, public_url
from prefine.serve.vllm.replicas import Call, Replica, Replicas, request
from prefine.serve.vllm.served import Served
from prefine.settings import Runtime
from prefine.settings.json import Json, is_array, is_object

LETTERS = ("A", "B")
"""The answers: the first or the second response is better."""
_VERDICT = re.compile(r"verdict\W*([AB])\b", re.IGNORECASE)


class Answer(NamedTuple):
    """A parsed answer."""

    first: bool
    """Whether the answer is A, the response shown first."""
    probability: float
    """Probability of A relative to B, in [0, 1]."""


class Question(NamedTuple):
    """One request to the judge, with as many answers as ``Sampling.samples``."""

    messages: Sequence[Message]
    """Turns of the request."""
    seed: int
    """Seed of the sampling."""


OnAnswer = Callable[[int, list[Answer]], None]
"""Called after each question with its index and its parsed answers."""


class Sampling(NamedTuple):
    """Sampling parameters of a judge."""

    samples: int
    """Number of answers per question."""
    temperature: float
    """Sampling temperature."""
    reasoning_tokens: int
    """Maximum tokens of reasoning and verdict; 0 requests a single letter."""


class JudgeClient:
    """Asks questions with one or more servers of one judge.

    Args:
        served: The judge.
        runtime: Addresses of the servers, limits and timeouts.
        chat: Tokenizer of the judge.
        sampling: Sampling parameters.

    Raises:
        RecipeError: The tokenizer has no single token for A or B.
    """

    def __init__(self, served: Served, runtime: Runtime, chat: Chat, sampling: Sampling) -> None:
        self._replicas = Replicas(served, runtime)
        self._model = served.served_model
        self._config = sampling
        self._tokens = [_tokens_of(letter, chat) for letter in LETTERS]

    def check(self) -> list[Json]:
        """Check the model of every server, and its answer to one question.

        Returns:
            Facts of the servers, for the manifest.

        Raises:
            RecipeError: A server has a different model, does not chat, or returns no logprobs.
            ServiceError: A server does not respond.
        """
        return asyncio.run(self._replicas.check(self._probe))

    async def _probe(self, replica: Replica, call: Call) -> Json:
        question = Question([{"role": "user", "content": "Answer with the letter A or B."}], 0)
        body = self._body(question, replica.dialect, reasoning=False)
        try:
            reply = await call("POST", f"{replica.url}/v1/chat/completions", body)
        except RecipeError as error:
            raise RecipeError(
                f"{error}; the request was for a chat completion: is it a generative model, "
                "started without `--runner pooling`?"
            ) from error
        if not self._answers(reply, reasoning=False):
            raise RecipeError(
                f"{public_url(replica.url)} does not restrict answers to A and B, or does not "
                "return their logprobs; use a vLLM that supports `allowed_token_ids` and `logprobs`"
            )
        return {"answers": "A or B, with logprobs"}

    def ask(self, questions: Sequence[Question], on_answer: OnAnswer) -> None:
        """Ask all questions.

        Args:
            questions: Requests to the judge.
            on_answer: Called after each question with its index and its parsed answers.

        Raises:
            ServiceError: All servers keep failing after all retries.
        """
        if questions:
            asyncio.run(self._ask(questions, on_answer))

    async def _ask(self, questions: Sequence[Question], on_answer: OnAnswer) -> None:
        reasoning = self._config.reasoning_tokens > 0
        async with self._replicas.client() as client:

            async def send(url: str, batch: list[int]) -> int:
                (index,) = batch
                reply = await self._request(client, url, questions[index])
                on_answer(index, self._answers(reply, reasoning=reasoning))
                usage = reply.get("usage")
                return int(usage.get("prompt_tokens") or 1) if is_object(usage) else 1

            await self._replicas.dispatch(([index] for index in range(len(questions))), send)

    async def _request(self, client: httpx.AsyncClient, url: str, question: Question) -> Json:
        reasoning = self._config.reasoning_tokens > 0
        body = self._body(question, self._replicas.dialect(url), reasoning=reasoning)
        reply = await request(client, "POST", f"{url}/v1/chat/completions", body)
        choices = reply.get("choices")
        got = len(choices) if is_array(choices) else 0
        if got != self._config.samples:
            raise RequestError(f"response has {got} answers, expected {self._config.samples}")
        return reply

    def _body(self, question: Question, dialect: Dialect, *, reasoning: bool) -> Json:
        letters = [token for tokens in self._tokens for token in tokens]
        body: Json = {
            "model": self._model,
            "messages": list(question.messages),
            "n": self._config.samples,
            "temperature": self._config.temperature,
            "seed": question.seed,
            "max_tokens": self._config.reasoning_tokens if reasoning else 1,
            "return_tokens_as_token_ids": True,
            **dialect.logprobs(letters),
        }
        return body if reasoning else {**body, "allowed_token_ids": letters}

    def _answers(self, reply: Json, *, reasoning: bool) -> list[Answer]:
        """Parse the answers of a reply; omit those that cannot be parsed.

        Raises:
            RequestError: The reply is not a chat completion with logprobs.
        """
        try:
            choices: list[Any] = reply["choices"]
            answers = [self._answer(choice, reasoning=reasoning) for choice in choices]
        except (KeyError, TypeError, ValueError) as error:
            raise RequestError("response is not a chat completion with logprobs") from error
        return [answer for answer in answers if answer is not None]

    def _answer(self, choice: Any, *, reasoning: bool) -> Answer | None:
        verdicts = _VERDICT.findall(choice["message"]["content"] or "")
        if reasoning and not verdicts:
            return None
        for token in reversed(choice["logprobs"]["content"]):
            letter = self._letter(_id_of(token))
            if letter is not None and (not reasoning or LETTERS[letter] == verdicts[-1].upper()):
                return Answer(letter == 0, self._probability(token))
        return None

    def _letter(self, token: int | None) -> int | None:
        """Return the index in ``LETTERS`` of a token; null for other tokens."""
        for letter, tokens in enumerate(self._tokens):
            if token in tokens:
                return letter
        return None

    def _probability(self, token: Any) -> float:
        """Return the probability of A relative to B at the position of a token."""
        logprobs = {_id_of(other): float(other["logprob"]) for other in token["top_logprobs"]}
        logprobs[_id_of(token)] = float(token["logprob"])
        a, b = (
            sum(math.exp(logprobs[number]) for number in tokens if number in logprobs)
            for tokens in self._tokens
        )
        if a + b == 0:
            return 1.0 if self._letter(_id_of(token)) == 0 else 0.0
        return a / (a + b)


def _id_of(token: Any) -> int | None:
    """Parse the id of a token written as ``token_id:35``; null if it is not."""
    _, _, number = str(token["token"]).partition("token_id:")
    return int(number) if number else None


def _tokens_of(letter: str, chat: Chat) -> tuple[int, ...]:
    """Return the tokens that consist of a letter, with or without a leading space.

    Raises:
        RecipeError: The tokenizer has no such token, so the letter has no probability.
    """
    tokens = dict.fromkeys(
        ids[0] for text in (letter, f" {letter}") if len(ids := chat.ids(text)) == 1
    )
    if not tokens:
        raise RecipeError(
            f"{chat.name} has no single token for the answer {letter}; use another judge"
        )
    return tuple(tokens)

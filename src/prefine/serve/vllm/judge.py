"""An LLM judge behind vLLM servers: questions in, probabilities of the answers A and B out.

The probability is not how often A was drawn but what the model gave the token A where the answer
stands, against B: logprobs are taken before temperature and before anything is forbidden (vLLM's
``raw_logprobs``). An answer that cannot be read counts for nothing.
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
from prefine.serve.vllm.lanes import RequestError, bare
from prefine.serve.vllm.replicas import Call, Replica, Replicas, request
from prefine.serve.vllm.served import Served
from prefine.settings import Runtime
from prefine.settings.json import Json, is_array, is_object

LETTERS = ("A", "B")
_VERDICT = re.compile(r"verdict\W*([AB])\b", re.IGNORECASE)


class Answer(NamedTuple):
    """One answer that could be read."""

    first: bool
    """Whether it names A, the response that was shown first."""
    probability: float
    """Of A, against B."""


class Question(NamedTuple):
    """What is asked once, and answered as often as the recipe has samples."""

    messages: Sequence[Message]
    seed: int


OnAnswer = Callable[[int, list[Answer]], None]
"""Told of each question as it is answered: its place, and the answers that could be read."""


class Sampling(NamedTuple):
    """How a judge answers."""

    samples: int
    """Answers to each question."""
    temperature: float
    reasoning_tokens: int
    """How long it may reason before its verdict; with 0 it answers with one letter."""


class JudgeClient:
    """One or many servers of one judge."""

    def __init__(self, served: Served, runtime: Runtime, chat: Chat, sampling: Sampling) -> None:
        self._replicas = Replicas(served, runtime)
        self._model = served.served_model
        self._config = sampling
        self._tokens = [_tokens_of(letter, chat) for letter in LETTERS]

    def check(self) -> list[Json]:
        """Ask every server what it serves, and one question.

        Returns:
            What is known of the servers, for the manifest.

        Raises:
            RecipeError: Another model is served, or one that does not tell how likely answers are.
            ServiceError: A server does not answer.
        """
        return asyncio.run(self._replicas.check(self._probe))

    async def _probe(self, replica: Replica, call: Call) -> Json:
        asked = Question([{"role": "user", "content": "Answer with the letter A or B."}], 0)
        body = self._body(asked, replica.dialect, reasoning=False)
        try:
            reply = await call("POST", f"{replica.url}/v1/chat/completions", body)
        except RecipeError as error:
            raise RecipeError(
                f"{error}; it was asked to chat: is it a model that writes, started without "
                "`--runner pooling`?"
            ) from error
        if not self._answers(reply, reasoning=False):
            raise RecipeError(
                f"{bare(replica.url)} does not keep to the answers A and B, or does not tell how "
                "likely they are"
            )
        return {"answers": "A or B, with logprobs"}

    def ask(self, questions: Sequence[Question], on_answer: OnAnswer) -> None:
        """Ask all questions.

        Raises:
            ServiceError: All servers keep failing after all retries.
        """
        if questions:
            asyncio.run(self._ask(questions, on_answer))

    async def _ask(self, questions: Sequence[Question], on_answer: OnAnswer) -> None:
        reasoning = self._config.reasoning_tokens > 0
        async with self._replicas.client() as client:

            async def ask(url: str, batch: list[int]) -> int:
                (place,) = batch
                reply = await self._replied(client, url, questions[place])
                on_answer(place, self._answers(reply, reasoning=reasoning))
                usage = reply.get("usage")
                return int(usage.get("prompt_tokens") or 1) if is_object(usage) else 1

            await self._replicas.share(([place] for place in range(len(questions))), ask)

    async def _replied(self, client: httpx.AsyncClient, url: str, asked: Question) -> Json:
        reasoning = self._config.reasoning_tokens > 0
        body = self._body(asked, self._replicas.dialect(url), reasoning=reasoning)
        reply = await request(client, "POST", f"{url}/v1/chat/completions", body)
        choices = reply.get("choices")
        got = len(choices) if is_array(choices) else 0
        if got != self._config.samples:
            raise RequestError(f"{got} answers where {self._config.samples} were asked for")
        return reply

    def _body(self, asked: Question, dialect: Dialect, *, reasoning: bool) -> Json:
        named = [token for tokens in self._tokens for token in tokens]
        body: Json = {
            "model": self._model,
            "messages": list(asked.messages),
            "n": self._config.samples,
            "temperature": self._config.temperature,
            "seed": asked.seed,
            "max_tokens": self._config.reasoning_tokens if reasoning else 1,
            "return_tokens_as_token_ids": True,
            **dialect.logprobs(named),
        }
        return body if reasoning else {**body, "allowed_token_ids": named}

    def _answers(self, reply: Json, *, reasoning: bool) -> list[Answer]:
        """Return the answers that can be read.

        Raises:
            RequestError: The reply is none of a chat.
        """
        try:
            choices: list[Any] = reply["choices"]
            found = [self._answer(choice, reasoning=reasoning) for choice in choices]
        except (KeyError, TypeError, ValueError) as error:
            raise RequestError("an answer that is no chat with logprobs") from error
        return [answer for answer in found if answer is not None]

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
        for letter, tokens in enumerate(self._tokens):
            if token in tokens:
                return letter
        return None

    def _probability(self, token: Any) -> float:
        """Return how likely A was where a token stands, against B."""
        listed = {_id_of(other): float(other["logprob"]) for other in token["top_logprobs"]}
        listed[_id_of(token)] = float(token["logprob"])
        a, b = (
            sum(math.exp(listed[one]) for one in tokens if one in listed) for tokens in self._tokens
        )
        if a + b == 0:
            return 1.0 if self._letter(_id_of(token)) == 0 else 0.0
        return a / (a + b)


def _id_of(token: Any) -> int | None:
    """Read a token that is written as ``token_id:35``."""
    _, _, number = str(token["token"]).partition("token_id:")
    return int(number) if number else None


def _tokens_of(letter: str, chat: Chat) -> tuple[int, ...]:
    """Return the tokens that are a letter, with a blank before it or without.

    Raises:
        RecipeError: The tokenizer has none, so that its probability cannot be told.
    """
    found = dict.fromkeys(
        ids[0] for text in (letter, f" {letter}") if len(ids := chat.ids(text)) == 1
    )
    if not found:
        raise RecipeError(f"{chat.name} has no single token for the answer {letter}")
    return tuple(found)

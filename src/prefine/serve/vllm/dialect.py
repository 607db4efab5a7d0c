"""vLLM's protocol by version: paths, request bodies, parsing of replies, server arguments.

A version that does not accept token ids for a task is an error. Changes by version (from the
protocol modules of the releases 0.9.2 to 0.32.0; 0.32.0 was tested):

    to 0.11.0       no rewards or hidden states for token ids
    0.11.1          `/pooling` accepts `task`, token ids and `use_activation`
    0.14            `use_activation: false` returns unscaled hidden states, before: `normalize`
    0.15            `/classify` accepts token ids
    0.20            a server has one pooling task, set in its pooler configuration
    0.21            logprobs of given tokens; before: of the most likely tokens only
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from prefine.errors import RecipeError
from prefine.serve.vllm.lanes import RequestError
from prefine.serve.vllm.served import Task
from prefine.settings.json import Json, is_array

Ids = npt.NDArray[np.int32]


class Version(NamedTuple):
    """A release of vLLM; an unknown version compares as newer than all others."""

    major: int = 999
    minor: int = 0
    patch: int = 0

    def __str__(self) -> str:
        return "unknown" if self == Version() else ".".join(str(part) for part in self)


def parse_version(text: object) -> Version:
    """Parse a version such as ``0.32.0+cpu``; anything else is the unknown version."""
    match = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", text) if isinstance(text, str) else None
    return Version(*(int(part or 0) for part in match.groups())) if match else Version()


@dataclass(frozen=True)
class Dialect:
    """The protocol of one version."""

    version: Version

    def require(self, task: Task, where: str) -> None:
        """Check that the version supports a task on token ids.

        Args:
            task: Task of the server.
            where: Address or name of the server, for the message.

        Raises:
            RecipeError: The version is too old.
        """
        if task in {"reward", "hidden"} and self.version < (0, 11, 1):
            raise RecipeError(
                f"{where} runs vLLM {self.version}, which does not accept token ids for this task "
                "and would add special tokens; use 0.11.1 or later"
            )

    def reward_request(
        self, model: str, rows: Sequence[Ids], *, activation: bool
    ) -> tuple[str, Json]:
        """Return path and body of a request for the logits of conversations.

        Args:
            model: Name of the model on the server.
            rows: Token ids of each conversation.
            activation: Whether to apply the model's activation to the logits.
        """
        body: Json = {"model": model, "input": list(rows), "use_activation": activation}
        if self.version < (0, 15):
            return "/pooling", {**body, "task": "classify"}
        return "/classify", body

    def rewards_of(self, reply: Json, count: int) -> npt.NDArray[np.float32]:
        """Parse the logits of a reply, in the order of the request, shape (count, heads).

        Raises:
            RequestError: The rows of the reply are not those of the request.
        """
        rows = reply.get("data")
        if not is_array(rows) or len(rows) != count:
            got = len(rows) if is_array(rows) else "no"
            raise RequestError(f"response has {got} rows, the request had {count}")
        key = "data" if self.version < (0, 15) else "probs"
        try:
            by_index = {row["index"]: row[key] for row in rows}
            logits = [by_index[index] for index in range(count)]
            return np.array(logits, dtype=np.float32).reshape(count, -1)
        except (KeyError, TypeError, ValueError) as error:
            raise RequestError("rows of the response do not match the request") from error

    def hidden_request(self, model: str, row: Sequence[int]) -> tuple[str, Json]:
        """Return path and body of a request for the states of all tokens, as raw float32."""
        unscaled = "normalize" if self.version < (0, 14) else "use_activation"
        return "/pooling", {
            "model": model,
            "input": list(row),
            "task": "token_embed",
            unscaled: False,
            "encoding_format": "bytes",
            "embed_dtype": "float32",
            "endianness": "little",
        }

    def shape_of(self, metadata: str | None) -> tuple[int, int]:
        """Parse the shape of raw states, (tokens, width), from the ``metadata`` header.

        Raises:
            RequestError: The header is missing or invalid, or describes not exactly one row.
        """
        try:
            rows = orjson.loads(metadata or "")["data"]
            (shape,) = [row["shape"] for row in rows]
            tokens, width = shape
            return int(tokens), int(width)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise RequestError("response header lacks the shape of its states") from error

    def logprobs(self, token_ids: Sequence[int]) -> Json:
        """Return the fields of a chat request that request the logprobs of some tokens."""
        if self.version < (0, 21):
            return {"logprobs": True, "top_logprobs": 20}
        return {"logprobs": True, "top_logprobs": 20, "logprob_token_ids": list(token_ids)}

    def arguments(self, task: Task) -> list[str]:
        """Return the command line arguments of a server for a task.

        Raises:
            RecipeError: The version does not support the task.
        """
        self.require(task, "the engine")
        if task == "judge":
            return []
        convert = {"reward": "classify", "hidden": "embed", "embed": "embed"}[task]
        arguments = ["--runner", "pooling", "--convert", convert]
        if task != "hidden":
            return arguments
        pooler: dict[str, Any] = {}
        if self.version >= (0, 20):
            pooler["task"] = "token_embed"
        pooler["normalize" if self.version < (0, 14) else "use_activation"] = False
        return [*arguments, "--pooler-config", orjson.dumps(pooler).decode()]

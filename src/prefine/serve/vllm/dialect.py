"""vLLM's protocol by version.

Paths, request bodies, readers of replies, and arguments to start a server with. A version that
takes no token ids for a task is refused.

What changed (read in the protocol modules of the releases 0.9.2 to 0.32.0; 0.32.0 was run):

    to 0.11.0       rewards and hidden states of token ids cannot be asked for
    0.11.1          `/pooling` takes a task and token ids; `use_activation` of a request
    0.14            hidden states are left unscaled by `use_activation`, before by `normalize`
    0.15            `/classify` takes token ids
    0.20            a server has one pooling task, which its pooler configuration names
    0.21            logprobs can be asked of named tokens; before of the likeliest alone
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
    """A release of vLLM; an unknown one counts as newer than all known ones."""

    major: int = 999
    minor: int = 0
    patch: int = 0

    def __str__(self) -> str:
        return "unknown" if self == Version() else ".".join(str(part) for part in self)


def parse(text: object) -> Version:
    """Read what ``/version`` tells, ``0.32.0+cpu`` for one."""
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", text) if isinstance(text, str) else None
    return Version(*(int(part or 0) for part in found.groups())) if found else Version()


@dataclass(frozen=True)
class Dialect:
    """How to speak to one version."""

    version: Version

    def require(self, task: Task, where: str) -> None:
        """Refuse a version that cannot do a task on token ids.

        Raises:
            RecipeError: It is too old.
        """
        if task in {"reward", "hidden"} and self.version < (0, 11, 1):
            raise RecipeError(
                f"{where} runs vLLM {self.version}, which takes no token ids for this task and "
                "would write its own special tokens; use 0.11.1 or later"
            )

    def reward_request(
        self, model: str, rows: Sequence[Ids], *, activation: bool
    ) -> tuple[str, Json]:
        """Return path and body of a request for the logits of whole conversations."""
        body: Json = {"model": model, "input": list(rows), "use_activation": activation}
        if self.version < (0, 15):
            return "/pooling", {**body, "task": "classify"}
        return "/classify", body

    def rewards_of(self, reply: Json, count: int) -> npt.NDArray[np.float32]:
        """Read the logits of a reply, shape (count, heads), whatever the order of its rows.

        Raises:
            RequestError: It has other rows than were asked for.
        """
        rows = reply.get("data")
        if not is_array(rows) or len(rows) != count:
            got = len(rows) if is_array(rows) else "no"
            raise RequestError(f"an answer of {got} rows to a request of {count}")
        key = "data" if self.version < (0, 15) else "probs"
        try:
            found = {row["index"]: row[key] for row in rows}
            logits = [found[index] for index in range(count)]
            return np.array(logits, dtype=np.float32).reshape(count, -1)
        except (KeyError, TypeError, ValueError) as error:
            raise RequestError("an answer of rows that are not those of the request") from error

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
        """Read (tokens, width) from the header that goes with raw states.

        Raises:
            RequestError: There is no such header, or it tells of other rows than one.
        """
        try:
            rows = orjson.loads(metadata or "")["data"]
            (shape,) = [row["shape"] for row in rows]
            tokens, width = shape
            return int(tokens), int(width)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise RequestError("an answer that does not tell the shape of its states") from error

    def logprobs(self, token_ids: Sequence[int]) -> Json:
        """Return the part of a chat request that asks how likely some tokens are."""
        if self.version < (0, 21):
            return {"logprobs": True, "top_logprobs": 20}
        return {"logprobs": True, "top_logprobs": 20, "logprob_token_ids": list(token_ids)}

    def arguments(self, task: Task) -> list[str]:
        """Return the arguments that make a server do a task.

        Raises:
            RecipeError: This version cannot.
        """
        self.require(task, "the engine")
        if task == "judge":
            return []
        convert = {"reward": "classify", "hidden": "embed", "embed": "embed"}[task]
        asked = ["--runner", "pooling", "--convert", convert]
        if task != "hidden":
            return asked
        pooler: dict[str, Any] = {}
        if self.version >= (0, 20):
            pooler["task"] = "token_embed"
        pooler["normalize" if self.version < (0, 14) else "use_activation"] = False
        return [*asked, "--pooler-config", orjson.dumps(pooler).decode()]

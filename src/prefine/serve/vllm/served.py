"""What a vLLM server is wanted for."""

from typing import Literal, NamedTuple

from prefine.settings import Model

Task = Literal["reward", "hidden", "judge", "embed"]
"""Raw logits, hidden states of every token, answers in words, or one vector a text."""


class Served(NamedTuple):
    """A model behind vLLM servers."""

    name: str
    """The name under which the runtime lists the servers' addresses, and under which logs lie."""
    served_model: str
    """The name under which the servers must serve the model."""
    model: Model
    """The tokenizer that ids are made with, and what a started server loads."""
    task: Task
    dtype: str
    """The type in which a started server computes."""
    max_tokens: int | None
    """The longest input; null leaves it to the model."""
    port: int | None = None
    """Where a started server listens; null takes a free port."""

"""Description of a model that vLLM servers provide."""

from typing import Literal, NamedTuple

from prefine.settings import Model

Task = Literal["reward", "hidden", "judge", "embed"]
"""Raw logits, hidden states of every token, generated answers, or one vector per text."""


class Served(NamedTuple):
    """A model behind vLLM servers."""

    name: str
    """Key of ``Runtime.servers``, and prefix of the log files."""
    served_model: str
    """Name of the model on the servers."""
    model: Model
    """Source of the tokenizer, and of the weights of a started server."""
    task: Task
    """Task of the servers."""
    dtype: str
    """Data type of a started server."""
    max_tokens: int | None
    """Maximum tokens of an input; null uses the model's limit."""
    port: int | None = None
    """Port of a started server; null uses a free one."""

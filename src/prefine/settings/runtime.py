"""Where and how fast a recipe runs: nothing in here changes a byte of an output."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from prefine.settings.part import Part


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
        raise ValueError("want http://HOST:PORT")
    return url


def _split(value: object) -> object:
    return tuple(part for part in value.split(",") if part) if isinstance(value, str) else value


Address = Annotated[str, AfterValidator(_address)]
"""Where a server listens."""


class Runtime(Part):
    """Where and how fast; never hashed."""

    root: str = ".prefine"
    """Folder or fsspec URL of the steps' results."""
    data: str = "."
    """What relative source paths are relative to."""
    workers: int = Field(default=1, ge=1)
    """Processes (command line) or threads (Prefect) for shards that need no model; also processes
    that embed on a CPU: with all-MiniLM-L6-v2 on 2 cores, 2 embedded 1.10 and 1.14 times as many
    tokens a second as one with 2 threads."""
    cache: str = "~/.cache/prefine"
    """Folder for what is costly to make and the same everywhere: distilled encoders."""
    device: str = "cpu"
    batch_tokens: int | None = Field(default=None, ge=1)
    """Most tokens, padding included, in one forward pass; null takes 2,048 on a CPU, where larger
    batches were slower (CHES: 144 ms a pair, 166 at 4,096 tokens, 193 at 8,192), else 8,192."""
    index_bytes: int = Field(default=4 * 2**30, ge=0)
    """Most memory for the vectors of an index; larger ones lie in a temporary file."""
    servers: dict[str, tuple[Address, ...]] = Field(default_factory=dict)
    """Base URLs of the servers behind each measure, by its name."""
    start: tuple[str, ...] = ()
    """Names of the measures whose servers the run starts itself, and ends."""
    engine: str = ""
    """The Python that has vLLM, for servers that a run starts itself; empty takes its own."""
    engine_args: str = ""
    """Further arguments for such a server, as a shell would read them."""
    replicas: int = Field(default=1, ge=1)
    """How many servers of each model are started, where no GPUs are named."""
    gpus: Annotated[tuple[str, ...], BeforeValidator(_split)] = ()
    """One server of each model for each of these, as CUDA_VISIBLE_DEVICES names them."""
    logs: str = ".prefine/servers"
    """Folder of the logs of started servers."""
    start_timeout_s: float = Field(default=900.0, gt=0)
    """How long a server may take to be ready."""
    restarts: int = Field(default=3, ge=0)
    """How often a started server that ends while in use is started again."""
    batch_rows: int = Field(default=64, ge=1)
    """Most conversations in one request to a server."""
    request_tokens: int = Field(default=65_536, ge=1)
    """Most tokens in one request to a server; a longer conversation goes alone."""
    in_flight: int = Field(default=8, ge=1)
    """Most requests to one server at a time; how many really are follows its latency."""
    timeout_s: float = Field(default=300.0, gt=0)
    """For one request."""
    retries: int = Field(default=5, ge=0)
    """Of one server, after 429, 5xx or a lost connection, before it is given up."""

    @property
    def token_budget(self) -> int:
        """Most tokens in one forward pass on this device."""
        return self.batch_tokens or (2048 if self.device == "cpu" else 8192)

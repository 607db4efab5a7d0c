"""Where and how fast a recipe runs; no setting here changes the output."""

from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from prefine.settings.part import Part


def _address(url: str) -> str:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = 0
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ValueError("expected http://HOST:PORT")
    return url


def _split(value: object) -> object:
    return tuple(part for part in value.split(",") if part) if isinstance(value, str) else value


Address = Annotated[str, AfterValidator(_address)]
"""Base URL of a server."""


class Runtime(Part):
    """Where and how fast a recipe runs. No setting here changes the output."""

    reads_text: ClassVar[bool] = True

    root: str = ".prefine"
    """Folder or fsspec URL of the results of steps."""
    data: str = "."
    """Folder or URL that relative source paths are relative to; the command line takes the
    recipe's folder by default."""
    workers: int = Field(default=1, ge=1)
    """Number of processes (threads under Prefect) for shards that need no model, and of processes
    that embed on a CPU. With all-MiniLM-L6-v2 on 2 cores, 2 workers embedded 1.10 and 1.14 times
    as many tokens per second as one with 2 threads."""
    cache: str = "~/.cache/prefine"
    """Folder of results that all runs share, such as distilled encoders."""
    device: str = "cpu"
    """Device of models that run in process, as torch names it: ``cpu``, ``cuda``, ``cuda:1``."""
    batch_tokens: int | None = Field(default=None, ge=1)
    """Maximum number of tokens per forward pass, padding included. Null means 2,048 on a CPU, where
    larger batches were slower (CHES: 144 ms per pair, 166 at 4,096 tokens, 193 at 8,192), and
    8,192 elsewhere."""
    index_bytes: int = Field(default=4 * 2**30, ge=0)
    """Maximum memory for the vectors of an index, in bytes; larger ones are read from a temporary
    file."""
    servers: dict[str, tuple[Address, ...]] = Field(default_factory=dict)
    """Base URLs of the servers of each measure, by the measure's name."""
    start: tuple[str, ...] = ()
    """Names of the measures whose servers the run starts and stops itself."""
    engine: str = ""
    """Python interpreter that has vLLM, for servers that a run starts; empty means the current
    one."""
    engine_args: str = ""
    """Further arguments for started servers, as in a shell."""
    replicas: int = Field(default=1, ge=1)
    """Number of servers that are started for each model, if ``gpus`` is empty."""
    gpus: Annotated[tuple[str, ...], BeforeValidator(_split)] = ()
    """GPUs as ``CUDA_VISIBLE_DEVICES`` names them, separated by commas. One server of each model
    is started per GPU."""
    logs: str = ".prefine/servers"
    """Folder of the logs of started servers."""
    start_timeout_s: float = Field(default=900.0, gt=0)
    """Seconds until a started server must be ready."""
    restarts: int = Field(default=3, ge=0)
    """Maximum number of times that a started server is restarted after it ends during a run."""
    batch_rows: int = Field(default=64, ge=1)
    """Maximum number of conversations per request to a server."""
    request_tokens: int = Field(default=65_536, ge=1)
    """Maximum number of tokens per request to a server; a longer conversation is sent alone."""
    in_flight: int = Field(default=8, ge=1)
    """Maximum number of concurrent requests per server; the actual number adapts to its latency."""
    timeout_s: float = Field(default=300.0, gt=0)
    """Timeout of one request in seconds."""
    retries: int = Field(default=5, ge=0)
    """Maximum number of consecutive failures of a server (429, 5xx or a lost connection) that are
    retried before it is given up."""

    @property
    def token_budget(self) -> int:
        """Maximum number of tokens in one forward pass on this device."""
        return self.batch_tokens or (2048 if self.device == "cpu" else 8192)

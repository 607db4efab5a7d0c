"""Recipe and Runtime: what is hashed, and where and how fast it runs.

What comes in: values from YAML, flags and the environment. What goes out: frozen objects. What
never happens: a runtime value in a fingerprint.
"""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from prefine.recipe.base import Name, Part
from prefine.recipe.measures import Encoder, Measure
from prefine.recipe.rules import Rule, Structure
from prefine.recipe.sources import Source

RESERVED = frozenset(
    {
        "messages",
        "completion",
        "completions",
        "margin",
        "image",
        "images",
        "tools",
        "chat_template_kwargs",
        "label",
        "ref_chosen_logps",
        "ref_rejected_logps",
        "prompt_ids",
        "chosen_ids",
        "rejected_ids",
        "completion_ids",
        "chosen_input_ids",
        "rejected_input_ids",
        "conversations",
        "text",
        "prompt",
        "chosen",
        "rejected",
    }
)
"""Column names that trainers interpret; an exported fact may not bear one."""


def _counts(weight: float) -> float:
    if weight == 0:
        raise ValueError("a weight of 0 does nothing; leave the aspect out")
    return weight


Weight = Annotated[float, Field(allow_inf_nan=False), AfterValidator(_counts)]
"""What an aspect counts in the mean of the ratings."""


class Pairs(Part):
    """How judgements become pairs."""

    use: tuple[Literal["label", "rank", "rating", "reward"], ...] = ("label", "rank", "rating")
    """Each prompt uses the first kind of judgement in this list that it has."""
    select: Literal["best_vs_worst", "best_vs_random", "adjacent", "all"] = "best_vs_worst"
    """Which couples of rated, ranked or rewarded responses become pairs; labels all do."""
    minimum_gap: float = Field(default=0.0, ge=0)
    """Least difference of two ratings or rewards; ranks count places."""
    per_prompt: int | None = Field(default=None, ge=1)
    """Most selected couples a prompt: the widest gaps first."""
    aspect: str | None = None
    """The aspect whose labels direct the pairs, where a source asks several questions."""
    aspects: dict[str, Weight] = Field(default_factory=dict)
    """Weight of each rating aspect, negative where more is worse; empty takes ``overall`` where a
    prompt has it, and otherwise the plain mean of the aspects that all its responses have."""
    reward: Name | None = None
    """The reward measure behind ``use: [reward]``."""


class Export(Part):
    """What trainers receive."""

    layout: Literal["explicit", "implicit"] = "explicit"
    """TRL's words: ``explicit`` has prompt, chosen and rejected (layout A); ``implicit`` has chosen
    and rejected with the prompt inside, and no prompt column (layout B)."""
    columns: tuple[str, ...] | None = None
    """Facts to carry along; null takes every column that was measured and a few of the pair's."""
    test_ratio: float = Field(default=0.0, ge=0, lt=1)
    """Share of the prompts (or prompt clusters, where measured) that go to the test split."""
    rows_per_shard: int = Field(default=50_000, ge=1)
    license: str | None = None
    """For the data set card; the sources' terms are yours to check."""
    language: tuple[str, ...] = ()
    """For the data set card, as language codes."""


class Recipe(Part):
    """Everything that changes a byte of the output."""

    name: Name
    seed: int = Field(default=0, ge=0)
    """Behind every shuffle, split, fold and tie."""
    shards: int | None = Field(default=None, ge=1, le=99_999)
    """How many partitions the tables have; null takes one for each 64 MiB of source files."""
    sources: tuple[Source, ...] = Field(min_length=1)
    pairs: Pairs = Pairs()
    encoder: Encoder = Encoder()
    measures: tuple[Measure, ...] = ()
    structure: Structure = Structure()
    rules: tuple[Rule, ...] = ()
    export: Export = Export()

    @property
    def all_rules(self) -> tuple[Rule, ...]:
        """The structural rules, then the recipe's own."""
        return self.structure.rules() + self.rules


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


__all__ = ["RESERVED", "Export", "Pairs", "Recipe", "Runtime"]

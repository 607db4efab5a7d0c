"""What ``manifest.json`` states and can be checked; a manifest of another shape is refused."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from prefine.settings.json import Json

Count = Annotated[int, Field(ge=0, strict=True)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Split = Literal["train", "test"]


class _Stated(BaseModel):
    """Part of a manifest; keys that nothing is compared with are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class StatedFile(_Stated):
    """A file of the data set."""

    path: str
    num_bytes: Count
    sha256: Digest
    num_rows: Count | None = None
    """Null for what is no table."""


class StatedSource(_Stated):
    """What became of the rows and labels of a source."""

    name: str
    rows_in: Count
    rows_read: Count
    quarantined: dict[str, Count]
    labels: dict[str, Count]
    unused_labels: dict[str, Count]


class RuleCounts(_Stated):
    """What a rule did to pairs."""

    seen: Count = Field(alias="in")
    dropped: Count
    held: Count
    flipped: Count
    turned_back: Count


class StatedRule(RuleCounts):
    """A rule, in its place."""

    rule: str
    by_source: dict[str, RuleCounts]


class SplitCounts(_Stated):
    """Pairs or prompts of each split."""

    train: Count
    test: Count
    test_ratio: float

    def of(self, split: Split) -> int:
        """Return the number of a split."""
        return self.train if split == "train" else self.test


class SplitSizes(_Stated):
    """The size of the splits at one time."""

    pairs: SplitCounts
    prompts: SplitCounts


class SplitShares(_Stated):
    """The splits before and after the rules."""

    wanted_test_ratio: float
    before_rules: SplitSizes
    after_rules: SplitSizes


class Stated(_Stated):
    """A manifest, as far as it is checked."""

    name: str
    recipe_sha256: Digest
    fingerprint: Digest
    sources: list[StatedSource]
    num_judgements: Count
    judgements_without_pair: dict[str, Count]
    num_pairs: Count
    rules: list[StatedRule]
    dropped: dict[str, Count]
    num_flipped: Count
    target: str
    rows_per_pair: Annotated[int, Field(ge=1, strict=True)]
    splits: dict[Split, Count]
    split_shares: SplitShares
    files: list[StatedFile]
    remarks: list[str]

    @property
    def num_rows(self) -> int:
        """Rows of all splits."""
        return sum(self.splits.values())

    def dropped_by(self) -> Mapping[tuple[str, str], int]:
        """Return how many pairs each rule took out, by verdict and rule."""
        hold = "hold/"
        return {
            ("hold" if reason.startswith(hold) else "drop", reason.removeprefix(hold)): count
            for reason, count in self.dropped.items()
        }


def stated_of(manifest: Json) -> tuple[Stated | None, list[str]]:
    """Return what a manifest states, or why it cannot be read."""
    try:
        return Stated.model_validate(manifest), []
    except ValidationError as error:
        return None, [_sentence(one["type"], one["loc"], one["msg"]) for one in error.errors()]


def _sentence(kind: str, place: tuple[int | str, ...], message: str) -> str:
    where = ".".join(map(str, place))
    if kind == "missing":
        return f"manifest.json lacks `{where}`"
    return f"manifest.json: `{where}`: {message[:1].lower()}{message[1:]}"

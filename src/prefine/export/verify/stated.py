"""The part of ``manifest.json`` that is checked."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from prefine.settings.json import Json

Count = Annotated[int, Field(ge=0, strict=True)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Split = Literal["train", "test"]


class _Stated(BaseModel):
    """Part of a manifest; other keys are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class StatedFile(_Stated):
    """A file of the data set."""

    path: str
    num_bytes: Count
    sha256: Digest
    num_rows: Count | None = None
    """Null for files that are not tables."""


class StatedSource(_Stated):
    """Row and label counts of a source."""

    name: str
    rows_in: Count
    rows_read: Count
    quarantined: dict[str, Count]
    labels: dict[str, Count]
    unused_labels: dict[str, Count]


class RuleCounts(_Stated):
    """Number of pairs that a rule tested and acted on."""

    seen: Count = Field(alias="in")
    dropped: Count
    held: Count
    flipped: Count
    turned_back: Count


class StatedRule(RuleCounts):
    """Counts of a rule, in total and by source."""

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
    """Sizes of the splits, in pairs and prompts."""

    pairs: SplitCounts
    prompts: SplitCounts


class SplitShares(_Stated):
    """Sizes of the splits before and after the rules."""

    wanted_test_ratio: float
    before_rules: SplitSizes
    after_rules: SplitSizes


class Stated(_Stated):
    """The part of a manifest that is checked."""

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
        """Number of rows of all splits."""
        return sum(self.splits.values())

    def dropped_by(self) -> Mapping[tuple[str, str], int]:
        """Return the number of dropped and held pairs by verdict and rule."""
        hold = "hold/"
        return {
            ("hold" if reason.startswith(hold) else "drop", reason.removeprefix(hold)): count
            for reason, count in self.dropped.items()
        }


def stated_of(manifest: Json) -> tuple[Stated | None, list[str]]:
    """Return the checked part of a manifest, or the problems that prevent it."""
    try:
        return Stated.model_validate(manifest), []
    except ValidationError as error:
        return None, [_sentence(one["type"], one["loc"], one["msg"]) for one in error.errors()]


def _sentence(kind: str, place: tuple[int | str, ...], message: str) -> str:
    where = ".".join(map(str, place))
    if kind == "missing":
        return f"manifest.json lacks `{where}`"
    return f"manifest.json: `{where}`: {message[:1].lower()}{message[1:]}"

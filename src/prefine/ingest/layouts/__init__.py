"""The registry of layouts, and the type of a source in a recipe.

To add a layout, write a module and add its class to ``_BUILT_IN``; from another distribution, add
an entry point in the group ``prefine.layouts``.
"""

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import BeforeValidator, Discriminator, Tag, field_validator

from prefine.errors import RecipeError
from prefine.ingest.layout import Layout
from prefine.ingest.layouts.alpaca_eval import AlpacaEval
from prefine.ingest.layouts.arena_33k import Arena33k
from prefine.ingest.layouts.arena_55k import Arena55k
from prefine.ingest.layouts.arena_100k import Arena100k
from prefine.ingest.layouts.arena_140k import Arena140k
from prefine.ingest.layouts.argilla_orca import ArgillaOrca
from prefine.ingest.layouts.beavertails import BeaverTails
from prefine.ingest.layouts.best_and_worst import BestAndWorst
from prefine.ingest.layouts.columns import Columns
from prefine.ingest.layouts.community_alignment import CommunityAlignment
from prefine.ingest.layouts.compared import Compared
from prefine.ingest.layouts.coval import CoVal
from prefine.ingest.layouts.distilabel import Distilabel
from prefine.ingest.layouts.domains import Domains
from prefine.ingest.layouts.fastchat import FastChat
from prefine.ingest.layouts.finegrained import FineGrained
from prefine.ingest.layouts.h4 import H4
from prefine.ingest.layouts.helpsteer2 import HelpSteer2
from prefine.ingest.layouts.helpsteer2_preference import HelpSteer2Preference
from prefine.ingest.layouts.helpsteer3 import HelpSteer3
from prefine.ingest.layouts.hh import Hh
from prefine.ingest.layouts.llmeval2 import LlmEval2
from prefine.ingest.layouts.magpie_dpo import MagpieDpo
from prefine.ingest.layouts.ms_swift import MsSwift
from prefine.ingest.layouts.multipref import MultiPref
from prefine.ingest.layouts.nectar import Nectar
from prefine.ingest.layouts.nemo_rl import NemoRl
from prefine.ingest.layouts.oasst_messages import OasstMessages
from prefine.ingest.layouts.oasst_tree import OasstTree
from prefine.ingest.layouts.on_policy import OnPolicy
from prefine.ingest.layouts.openai_dpo import OpenAiDpo
from prefine.ingest.layouts.paired import Paired
from prefine.ingest.layouts.pandalm import PandaLm
from prefine.ingest.layouts.pku_saferlhf import PkuSafeRlhf
from prefine.ingest.layouts.ppe_correctness import PpeCorrectness
from prefine.ingest.layouts.preference_collection import PreferenceCollection
from prefine.ingest.layouts.prism import Prism
from prefine.ingest.layouts.prism_utterances import PrismUtterances
from prefine.ingest.layouts.reward_bench_2 import RewardBench2
from prefine.ingest.layouts.rm_bench import RmBench
from prefine.ingest.layouts.rmb_bon import RmbBon
from prefine.ingest.layouts.rmb_pairwise import RmbPairwise
from prefine.ingest.layouts.scored_text import ScoredText
from prefine.ingest.layouts.sharegpt import ShareGpt
from prefine.ingest.layouts.sharegpt_unpaired import ShareGptUnpaired
from prefine.ingest.layouts.shp import Shp
from prefine.ingest.layouts.stack_preferences import StackPreferences
from prefine.ingest.layouts.summarize_axis import SummarizeAxis
from prefine.ingest.layouts.summarize_comparisons import SummarizeComparisons
from prefine.ingest.layouts.trl_explicit import TrlExplicit
from prefine.ingest.layouts.trl_implicit import TrlImplicit
from prefine.ingest.layouts.trl_unpaired import TrlUnpaired
from prefine.ingest.layouts.ultrafeedback import UltraFeedback
from prefine.ingest.layouts.webdev_arena import WebDevArena
from prefine.ingest.layouts.webgpt import WebGpt
from prefine.ingest.source import Source
from prefine.settings.json import is_object
from prefine.settings.names import unknown
from prefine.settings.registry import registered

_BUILT_IN: tuple[type[Layout], ...] = (
    TrlExplicit,
    TrlImplicit,
    TrlUnpaired,
    H4,
    Hh,
    ScoredText,
    UltraFeedback,
    HelpSteer2,
    HelpSteer2Preference,
    HelpSteer3,
    Arena33k,
    Arena55k,
    Arena140k,
    Nectar,
    OnPolicy,
    Distilabel,
    AlpacaEval,
    ShareGpt,
    ShareGptUnpaired,
    RewardBench2,
    RmBench,
    RmbPairwise,
    RmbBon,
    PandaLm,
    FineGrained,
    LlmEval2,
    Domains,
    ArgillaOrca,
    Arena100k,
    BeaverTails,
    BestAndWorst,
    CommunityAlignment,
    Compared,
    CoVal,
    MagpieDpo,
    MsSwift,
    MultiPref,
    NemoRl,
    OasstMessages,
    OasstTree,
    OpenAiDpo,
    Paired,
    PkuSafeRlhf,
    PpeCorrectness,
    PreferenceCollection,
    Prism,
    PrismUtterances,
    Shp,
    StackPreferences,
    SummarizeAxis,
    SummarizeComparisons,
    WebDevArena,
    WebGpt,
    FastChat,
    Columns,
)


def format_of(layout: type[Layout]) -> str:
    """Return the name of a layout, which recipes use as ``format``.

    Raises:
        RecipeError: The class has no default for ``format``.
    """
    name = layout.model_fields["format"].default
    if not isinstance(name, str):
        raise RecipeError(
            f"{layout.__module__}.{layout.__name__} has no name; "
            'declare `format: Literal["NAME"] = "NAME"`'
        )
    return name


LAYOUTS: tuple[type[Layout], ...] = registered("prefine.layouts", Layout, _BUILT_IN, format_of)
"""All layouts, those of other distributions last."""

_BY_FORMAT = {format_of(layout): layout for layout in LAYOUTS}


def layout_named(name: str) -> type[Layout]:
    """Return the layout with a name.

    Raises:
        RecipeError: There is no such layout.
    """
    if name not in _BY_FORMAT:
        raise RecipeError(unknown("layout", name, _BY_FORMAT))
    return _BY_FORMAT[name]


_FILE_TYPES = frozenset({"arrow", "csv", "json", "jsonl", "parquet", "tsv", "xlsx"})
"""What is no layout, but may be given as one."""


class Detected(Source):
    """A source without ``format``: the layout of each file is detected."""

    format: None = None
    """Always null: the layout is detected."""

    @field_validator("format", mode="before")
    @classmethod
    def _require_none(cls, value: object) -> object:
        if value is not None:
            if str(value) in _FILE_TYPES:
                raise ValueError(
                    f"no layout `{value}`; the type of a file is recognised: leave out `format`, "
                    "or describe the columns with `format: columns`"
                )
            raise ValueError(unknown("layout", str(value), _BY_FORMAT))
        return value

    def as_layout(self, name: str) -> Layout:
        """Return the source as an instance of the detected layout.

        Args:
            name: Name of the layout.

        Raises:
            RecipeError: There is no such layout.
        """
        shared = Source.model_fields.keys() - {"format"}
        return layout_named(name)(**{key: getattr(self, key) for key in shared})


def _tag(source: object) -> str:
    """Return the tag of a source's class; ``Detected`` refuses a source with an unknown layout."""
    name = source.get("format") if is_object(source) else getattr(source, "format", None)
    return f"layout {name}" if isinstance(name, str) and name in _BY_FORMAT else "no layout"


def _require_own_options(source: object) -> object:
    """Refuse an option of another layout, and name that layout."""
    if not is_object(source):
        return source
    name = source.get("format")
    known = _BY_FORMAT[name] if isinstance(name, str) and name in _BY_FORMAT else Source
    for option in [key for key, value in source.items() if value]:
        owners = [f"`format: {n}`" for n, cls in _BY_FORMAT.items() if option in cls.model_fields]
        if owners and option not in known.model_fields:
            raise ValueError(f"`{option}` is only allowed with {' or '.join(owners)}")
    others = {key for cls in _BY_FORMAT.values() for key in cls.model_fields} - {
        *known.model_fields
    }
    return {key: value for key, value in source.items() if key not in others}


if TYPE_CHECKING:
    AnySource = Source
else:
    _TAGGED = (
        *(Annotated[layout, Tag(f"layout {name}")] for name, layout in _BY_FORMAT.items()),
        Annotated[Detected, Tag("no layout")],
    )
    _ONE_OF = Union[_TAGGED]  # noqa: UP007 - the members are known at run time only
    AnySource = Annotated[_ONE_OF, Discriminator(_tag), BeforeValidator(_require_own_options)]
"""A source of a recipe: one class per layout, selected by ``format``."""

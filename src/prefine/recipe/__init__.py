"""The recipe: one YAML file that says what is curated, and by which rules.

What comes in: YAML. What goes out: a frozen ``Recipe`` (hashed) and ``Runtime`` (never hashed).
What never happens: a default that is hidden from ``prefine plan``.
"""

from prefine.recipe.base import Part
from prefine.recipe.check import rule_columns, unknown_column
from prefine.recipe.load import load_recipe, parse_recipe
from prefine.recipe.measures import (
    BootstrapReward,
    Ches,
    Cosine,
    Encoder,
    Lengths,
    Measure,
    NearDuplicates,
    PolicyLikelihood,
    PromptNeighbours,
    PromptTopics,
    Reward,
    RewardAgreement,
    Scored,
    Search,
    TargetSimilarity,
    TransformersChes,
    TransformersReward,
    VllmChes,
    VllmJudge,
    VllmReward,
    Weights,
    columns_of,
    scored,
)
from prefine.recipe.model import RESERVED, Export, Pairs, Recipe, Runtime
from prefine.recipe.rules import Condition, Diverse, Rule, Structure
from prefine.recipe.sources import (
    ColumnMap,
    File,
    Format,
    LabelColumn,
    NumberColumns,
    RankingColumn,
    Source,
    Table,
)

__all__ = [
    "RESERVED",
    "BootstrapReward",
    "Ches",
    "ColumnMap",
    "Condition",
    "Cosine",
    "Diverse",
    "Encoder",
    "Export",
    "File",
    "Format",
    "LabelColumn",
    "Lengths",
    "Measure",
    "NearDuplicates",
    "NumberColumns",
    "Pairs",
    "Part",
    "PolicyLikelihood",
    "PromptNeighbours",
    "PromptTopics",
    "RankingColumn",
    "Recipe",
    "Reward",
    "RewardAgreement",
    "Rule",
    "Runtime",
    "Scored",
    "Search",
    "Source",
    "Structure",
    "Table",
    "TargetSimilarity",
    "TransformersChes",
    "TransformersReward",
    "VllmChes",
    "VllmJudge",
    "VllmReward",
    "Weights",
    "columns_of",
    "load_recipe",
    "parse_recipe",
    "rule_columns",
    "scored",
    "unknown_column",
]

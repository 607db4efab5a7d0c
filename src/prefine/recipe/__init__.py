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
    PromptNeighbours,
    PromptTopics,
    Reward,
    RewardAgreement,
    Search,
    TargetSimilarity,
    TransformersReward,
    VllmReward,
    Weights,
    columns_of,
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
    "PromptNeighbours",
    "PromptTopics",
    "RankingColumn",
    "Recipe",
    "Reward",
    "RewardAgreement",
    "Rule",
    "Runtime",
    "Search",
    "Source",
    "Structure",
    "Table",
    "TargetSimilarity",
    "TransformersReward",
    "VllmReward",
    "Weights",
    "columns_of",
    "load_recipe",
    "parse_recipe",
    "rule_columns",
    "unknown_column",
]

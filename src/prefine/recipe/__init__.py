"""The recipe: one YAML file with what is curated, by which measures and rules."""

from prefine.recipe.load import load_recipe, parse_recipe
from prefine.recipe.recipe import Recipe
from prefine.recipe.resolved import Resolved, to_yaml

__all__ = ["Recipe", "Resolved", "load_recipe", "parse_recipe", "to_yaml"]

"""Settings that several rooms share, and what the names in them stand for."""

from prefine.settings.models import ENCODER, Encoder, FloatType, Weights
from prefine.settings.part import (
    File,
    FileSet,
    Inputs,
    Location,
    Model,
    Name,
    Part,
    Pattern,
    Problem,
    Where,
    unlocated,
    walk,
)
from prefine.settings.runtime import Runtime

__all__ = [
    "ENCODER",
    "Encoder",
    "File",
    "FileSet",
    "FloatType",
    "Inputs",
    "Location",
    "Model",
    "Name",
    "Part",
    "Pattern",
    "Problem",
    "Runtime",
    "Weights",
    "Where",
    "unlocated",
    "walk",
]

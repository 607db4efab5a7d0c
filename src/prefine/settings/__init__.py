"""Settings that several packages share, and the files and models that they name."""

from prefine.settings.extras import Need, require_extra
from prefine.settings.models import DEFAULT_ENCODER, ENCODER, Encoder, FloatType, Weights
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
    "DEFAULT_ENCODER",
    "ENCODER",
    "Encoder",
    "File",
    "FileSet",
    "FloatType",
    "Inputs",
    "Location",
    "Model",
    "Name",
    "Need",
    "Part",
    "Pattern",
    "Problem",
    "Runtime",
    "Weights",
    "Where",
    "require_extra",
    "unlocated",
    "walk",
]

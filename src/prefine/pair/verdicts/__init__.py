"""Human verdicts on pairs: ``right``, ``wrong``, ``tie``, ``both_bad`` or ``drop``."""

from prefine.pair.verdicts.settings import OUTRANKS, Verdicts
from prefine.pair.verdicts.step import LABELLED, verdicts_spec

__all__ = ["LABELLED", "OUTRANKS", "Verdicts", "verdicts_spec"]

"""Check a published data set: files against the manifest, the manifest against itself and them."""

from prefine.export.verify.problems import problems_of

__all__ = ["problems_of"]

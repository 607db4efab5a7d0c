"""Verify an exported data set: hashes, rows and counts against the manifest."""

from prefine.export.verify.problems import problems_of

__all__ = ["problems_of"]

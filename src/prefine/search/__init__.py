"""Nearest neighbours of vectors: exact and inverted-file search with FAISS, measured recall.

Independent of recipes: ``neighbours`` searches any array.
"""

from prefine.search.arrays import Neighbours, neighbours
from prefine.search.settings import Search

__all__ = ["Neighbours", "Search", "neighbours"]

"""Compare texts by words and characters: shingles, MinHash, Jaccard, n-grams, clusters.

Independent of recipes: ``near_duplicates`` clusters any list of texts.
"""

from prefine.text.duplicates import near_duplicates

__all__ = ["near_duplicates"]

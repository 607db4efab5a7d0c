"""Texts compared by their words: shingles, MinHash, Jaccard, n-grams, clusters. Knows no step."""

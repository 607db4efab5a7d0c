"""Vectors near vectors: exact and inverted-file search with FAISS, k-means, measured recall."""

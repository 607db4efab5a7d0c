"""Models in this process: transformers, sentence-transformers, static vectors, OpenVINO."""

"""Models that run in this process: transformers, sentence-transformers, static, OpenVINO."""

"""Build pairs from judgements: each pair of responses once, directed by its votes."""

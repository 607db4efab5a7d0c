"""Judgements become pairs: every couple of responses once, directed by its votes."""

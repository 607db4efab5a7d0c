"""Readers of file formats: JSON, delimited text, Parquet, Arrow IPC and spreadsheets.

The format of a file is detected from its bytes, and from its name only if these are ambiguous.
"""

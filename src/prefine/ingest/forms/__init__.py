"""The forms that files of rows have: JSON, delimited text, Parquet, Arrow IPC, spreadsheets.

The form of a file is recognised from its bytes; its name decides only where the bytes do not.
"""

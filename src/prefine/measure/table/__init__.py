"""Columns of a user's table, joined by a key."""

from prefine.measure.table.measure import JoinedTable

__all__ = ["JoinedTable"]

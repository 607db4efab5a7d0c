"""Decisions become data sets that trainers read without changes."""

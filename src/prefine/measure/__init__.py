"""Measures: facts beside responses and pairs, one column table each.

What comes in: pairs, responses, prompts. What goes out: an id and a signal's columns. What never
happens: a dropped row, a threshold, or a failure written down as a null.
"""

"""Every error that prefine raises on purpose.

    PrefineError
    ├── RecipeError     the YAML is wrong: fix the recipe
    ├── DataError       an input cannot be used: fix the data
    ├── ServiceError    a server or a network failed: try again
    ├── PlaceError      a disk is full, or a folder cannot be used: fix the machine
    └── IntegrityError  what was stored contradicts itself: a bug, or a damaged root

A message says where, what was found, what was wanted and the way out; it never carries text of a
prompt or response, or a secret.
"""


class PrefineError(Exception):
    """Stand at the top of the tree, so that a caller can catch all of it."""


class RecipeError(PrefineError):
    """Say that the recipe or the runtime settings are wrong: fix the recipe."""


class DataError(PrefineError):
    """Say that an input file or a model cannot be used as it is: fix the data."""


class ServiceError(PrefineError):
    """Say that a server or a network failed; the same call may work later. Only this is retried."""


class PlaceError(PrefineError):
    """Say that a folder or the machine cannot be used: disk full, no permission, out of memory."""


class IntegrityError(PrefineError):
    """Say that rows do not add up or stored files contradict their manifest."""

"""Errors that prefine raises.

    PrefineError
    ├── RecipeError     the YAML is wrong: fix the recipe
    ├── DataError       an input cannot be used: fix the data
    ├── ServiceError    a server or a network failed: try again
    ├── PlaceError      a disk is full, or a folder cannot be used: fix the machine
    └── IntegrityError  stored results are inconsistent: a bug, or a damaged root

A message says where the error is, what was found, what was expected and how to fix it. It never
contains a secret or the text of a prompt or response.
"""


class PrefineError(Exception):
    """Base class of all errors of prefine."""


class RecipeError(PrefineError):
    """The recipe or the runtime settings are wrong: fix them."""


class DataError(PrefineError):
    """An input file or a model cannot be used as it is: fix the data."""


class ServiceError(PrefineError):
    """A server or a network failed; the same call may work later. Only this error is retried."""


class PlaceError(PrefineError):
    """A folder or the machine cannot be used: disk full, no permission, out of memory."""


class IntegrityError(PrefineError):
    """Row counts do not add up, or stored files contradict their manifest."""

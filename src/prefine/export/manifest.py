"""The manifest of a data set: inputs, outputs, and all counts.

It contains no time and no path of the machine.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

import orjson

from prefine.export.curation import Curation
from prefine.export.splits import SPLITS_TABLE, share_remark
from prefine.settings.json import Json, is_array
from prefine.step import Manifest, Step, Work, require_manifest

LIBRARIES = ("polars", "pyarrow", "datasets", "numpy", "faiss-cpu", "rensa", "torch")
"""Libraries whose versions the manifest lists, if they are installed."""
_OWN_KEY = {"rules", "remarks", "split"}
"""Notes of steps that have a key of their own in the manifest."""


class Exported(NamedTuple):
    """How much of the data set is in each split."""

    rows: Mapping[str, int]
    """Rows of each split that has any."""
    shares: Json
    """Pairs and prompts of each split, as ``splits.shares`` counts them."""


class Verdicts(NamedTuple):
    """How the pairs were decided."""

    num_pairs: int
    num_flipped: int
    dropped: dict[str, int]
    """Pairs that are not exported, by rule; ``hold/`` is prepended for held pairs."""


def verdicts_of(work: Work) -> Verdicts:
    """Count the decisions of all parts."""
    counted: Counter[tuple[str, str]] = Counter()
    for part in work.parts("decisions"):
        decisions = work.read("decisions", ["verdict", "rule"], part=part)
        for verdict, rule, count in decisions.group_by("verdict", "rule").len().iter_rows():
            counted[verdict, rule] += count
    names = {"drop": "", "hold": "hold/"}
    dropped = {f"{names[v]}{rule}": n for (v, rule), n in counted.items() if v in names}
    flipped = sum(count for (verdict, _), count in counted.items() if verdict == "flip")
    return Verdicts(counted.total(), flipped, dict(sorted(dropped.items())))


def manifest_of(work: Work, curation: Curation, exported: Exported, verdicts: Verdicts) -> Json:
    """Return the manifest of the data set without its list of files."""
    steps = {step.name: _manifests(work, step) for step in work.step.ancestors().values()}
    read = sources_of(steps, curation.sources)
    decided = steps["decide"][0]
    wanted = curation.export.test_ratio
    remark = share_remark(exported.shares, wanted)
    identity = orjson.dumps(curation.identity, option=orjson.OPT_SORT_KEYS)
    return {
        "prefine": version("prefine"),
        "name": curation.name,
        "recipe_sha256": sha256(identity).hexdigest(),
        "fingerprint": work.step.fingerprint,
        "versions": _versions(),
        "sources": read,
        "num_judgements": sum(m.rows_out for m in steps["gather"]),
        "judgements_without_pair": _sum(m.dropped for m in steps["pairs"]),
        "num_pairs": verdicts.num_pairs,
        "rules": decided.notes["rules"],
        "dropped": verdicts.dropped,
        "num_flipped": verdicts.num_flipped,
        "target": curation.export.target.kind_name(),
        "rows_per_pair": curation.export.target.rows_per_pair,
        "splits": dict(exported.rows),
        "split_shares": {
            "wanted_test_ratio": wanted,
            "before_rules": steps[SPLITS_TABLE][0].notes["split"],
            "after_rules": exported.shares,
        },
        "plugins": list(curation.plugins),
        "models": list(curation.models),
        "chats": _distinct(steps, "chat"),
        "servers": _distinct(steps, "servers"),
        "canaries": _canaries(steps),
        "benchmarks": benchmarks_of(steps),
        "remarks": [*remarks_of(steps), *([f"splits: after the rules {remark}"] if remark else [])],
        "notes": {name: _notes(ms) for name, ms in sorted(steps.items()) if _notes(ms)},
    }


def _versions() -> dict[str, str]:
    """Return the versions of those libraries that are installed."""
    found: dict[str, str] = {}
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def remarks_of(steps: Mapping[str, Sequence[Manifest]]) -> list[str]:
    """Return the remarks of steps for the user, each sentence once.

    Args:
        steps: The manifests of the shards that have run, by step, in the order of the plan.
    """
    noted = (m.notes.get("remarks", ()) for manifests in steps.values() for m in manifests)
    return list(dict.fromkeys(remark for remarks in noted for remark in remarks))


def _manifests(work: Work, step: Step) -> list[Manifest]:
    return [require_manifest(work.store, step, shard) for shard in step.shards]


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return dict(sorted(total.items()))


def sources_of(steps: Mapping[str, Sequence[Manifest]], names: Iterable[str]) -> list[Json]:
    """Return the counts of the rows and labels of each source.

    Args:
        steps: The manifests of the shards that have run, by step.
        names: The sources.
    """
    return [
        _source(name, steps.get(f"ingest_{name}", ()), steps.get("pairs", ())) for name in names
    ]


def losses_of(work: Work, curation: Curation) -> str:
    """Return why rows and labels led to no pair, for a message."""
    steps = {step.name: _manifests(work, step) for step in work.step.ancestors().values()}
    quarantined = _sum(m.dropped for name in curation.sources for m in steps[f"ingest_{name}"])
    parts = {
        "rows in quarantine": quarantined,
        "labels without a pair": _sum(m.dropped for m in steps["pairs"]),
    }
    listed = [f"{what}: {_listed(counts)}" for what, counts in parts.items() if counts]
    return "; ".join(listed)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in counts.items())


def _source(name: str, manifests: Sequence[Manifest], pairs: Sequence[Manifest]) -> Json:
    return {
        "name": name,
        "format": sorted({m.notes["format"] for m in manifests}),
        "rows_in": sum(m.rows_in for m in manifests),
        "rows_read": sum(m.rows_out for m in manifests),
        "quarantined": _sum(m.dropped for m in manifests),
        "values": _sum(m.notes["values"] for m in manifests),
        "labels": _sum(m.notes["labels"] for m in manifests),
        "unused_labels": _sum(m.notes.get("unused", {}).get(name, {}) for m in pairs),
    }


def _distinct(steps: Mapping[str, list[Manifest]], key: str) -> Json:
    """Return the distinct notes of each step under a key."""
    found: Json = {}
    for name, manifests in sorted(steps.items()):
        notes: list[object] = []
        for manifest in manifests:
            noted = manifest.notes.get(key, [])
            notes += [one for one in (noted if is_array(noted) else [noted]) if one not in notes]
        if notes:
            found[name] = notes
    return found


def _canaries(steps: Mapping[str, list[Manifest]]) -> Json:
    """Return how much servers and transformers differed, for each reward that was checked."""
    found: Json = {}
    for name, manifests in sorted(steps.items()):
        noted = [m.notes for m in manifests if "canaries" in m.notes]
        if noted:
            found[name] = {
                "responses": sum(note["canaries"] for note in noted),
                "largest_difference": max(note["canary_largest_difference"] for note in noted),
            }
    return found


def benchmarks_of(steps: Mapping[str, Sequence[Manifest]]) -> Json:
    """Return how many prompts and responses contain texts of each benchmark.

    Args:
        steps: The manifests of the shards that have run, by step.
    """
    found: Json = {}
    for manifest in (m for manifests in steps.values() for m in manifests):
        for name, counts in manifest.notes.get("benchmarks", {}).items():
            total = found.setdefault(name, dict.fromkeys(counts, 0))
            for key, count in counts.items():
                total[key] = count if key == "texts" else total[key] + count
    return found


def _notes(manifests: list[Manifest]) -> Json:
    """Return the notes of corpus steps that the manifest shows."""
    if len(manifests) != 1 or manifests[0].shard is not None:
        return {}
    return {key: value for key, value in manifests[0].notes.items() if key not in _OWN_KEY}

"""Stop a run whose source went to quarantine for the most part, and say why."""

from collections import Counter
from collections.abc import Sequence

from prefine.errors import DataError
from prefine.settings import Inputs
from prefine.step import Manifest


def require_read(source: str, manifests: Sequence[Manifest], inputs: Inputs, limit: float) -> None:
    """Refuse a source of which too many rows are in quarantine.

    Args:
        source: Its name.
        manifests: What the shards of its ingest step did, one a file.
        inputs: Names the files.
        limit: Largest share of the rows that may be in quarantine.

    Raises:
        DataError: There are more; with the counts, the top reason and its first row.
    """
    reasons: Counter[str] = Counter()
    for manifest in manifests:
        reasons.update(manifest.dropped)
    num_rows = sum(manifest.rows_in for manifest in manifests)
    lost = reasons.total()
    if not num_rows or lost / num_rows <= limit:
        return
    reason, _ = max(reasons.items(), key=lambda item: (item[1], item[0]))
    counts = ", ".join(f"{name} {count:,}" for name, count in reasons.most_common())
    raise DataError(
        f"source {source}: {lost:,} of {num_rows:,} rows are in quarantine ({counts}), more than "
        f"`max_quarantined: {limit:g}` allows. {_first(source, manifests, inputs, reason)}. "
        "`prefine show quarantine` lists all of them"
    )


def _first(source: str, manifests: Sequence[Manifest], inputs: Inputs, reason: str) -> str:
    """Return where the first row of a reason stands, its detail and its keys."""
    files = inputs.files[f"source {source}"]
    for file, manifest in zip(files, manifests, strict=True):
        if found := manifest.notes["rejected"].get(reason):
            keys = ", ".join(found["keys"])
            has = f"; the row has the keys {keys}" if keys else ""
            return f"{file.path}:{found['row']}: {reason}: {found['detail']}{has}"
    return reason

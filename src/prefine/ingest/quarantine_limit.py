"""Stop a run if too many rows of a source are in quarantine."""

from collections import Counter
from collections.abc import Sequence

from prefine.errors import DataError
from prefine.settings import Inputs
from prefine.step import Manifest


def require_quarantine_limit(
    source: str, manifests: Sequence[Manifest], inputs: Inputs, limit: float
) -> None:
    """Require that the fraction of quarantined rows of a source is within a limit.

    Args:
        source: Name of the source.
        manifests: Manifests of the source's ingest step, one per file.
        inputs: The resolved files.
        limit: Maximum fraction of the rows in quarantine.

    Raises:
        DataError: The fraction is higher; the message has the counts by reason and the first row
            with the most frequent reason.
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
        "List them with `prefine show quarantine`"
    )


def _first(source: str, manifests: Sequence[Manifest], inputs: Inputs, reason: str) -> str:
    """Return the location, detail and keys of the first row that was rejected for a reason."""
    files = inputs.files[f"source {source}"]
    for file, manifest in zip(files, manifests, strict=True):
        if example := manifest.notes["rejected"].get(reason):
            keys = ", ".join(example["keys"])
            shown = f"; the row has the keys {keys}" if keys else ""
            return f"{file.path}:{example['row']}: {reason}: {example['detail']}{shown}"
    return reason

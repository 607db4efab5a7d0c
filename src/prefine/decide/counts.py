"""Counts of the pairs that a rule tested, dropped, held or flipped, in total and by source."""

from collections.abc import Mapping

import numpy as np

from prefine.decide.arrays import Facts, Places
from prefine.settings.json import Json


def counts_of(facts: Facts, rows: Mapping[str, Places]) -> Json:
    """Count pairs in total and by source.

    Args:
        facts: All pairs.
        rows: The rows to count, by the name of the count.
    """
    names = facts.source_names
    counts = {
        kind: np.bincount(facts.source[of_kind], minlength=len(names)).tolist()
        for kind, of_kind in rows.items()
    }
    by_source = {
        name: {kind: of_kind[position] for kind, of_kind in counts.items()}
        for position, name in enumerate(names)
    }
    return {**{kind: len(of_kind) for kind, of_kind in rows.items()}, "by_source": by_source}

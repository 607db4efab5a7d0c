"""How many pairs a rule saw, and what it did with them, in all and by source."""

from collections.abc import Mapping

import numpy as np

from prefine.decide.arrays import Facts, Places
from prefine.settings.json import Json


def counts_of(facts: Facts, rows: Mapping[str, Places]) -> Json:
    """Count rows of the facts.

    Args:
        facts: All pairs.
        rows: The rows to count, by what they are.
    """
    names = facts.source_names
    found = {
        what: np.bincount(facts.source[of], minlength=len(names)).tolist()
        for what, of in rows.items()
    }
    by_source = {
        name: {what: counts[place] for what, counts in found.items()}
        for place, name in enumerate(names)
    }
    return {**{what: len(of) for what, of in rows.items()}, "by_source": by_source}

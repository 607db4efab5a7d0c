"""The page on reasons and other text values that tables hold."""

from prefine.ingest.reasons import QUARANTINE_REASONS
from prefine.measure.reasons import (
    CLUSTERED_BY,
    CONTAMINATED_BY,
    DIFFERENCES,
    EXAMPLE_REASONS,
    MEASURE_REASONS,
)
from prefine.pair.reasons import LABEL_SOURCES, SELECTIONS, UNUSED_REASONS, VERDICT_REASONS
from prefine.recipe.reference.markup import glossary, page

_HEAD = ("reason", "meaning, and what to do")
_VALUE = ("value", "meaning")


def reasons_page() -> str:
    """Return the page on reasons."""
    return page(
        "Reasons and values",
        "Every row that is not used has a reason. `prefine run` prints the counts, and the tables "
        "contain the reason for each row.",
        "## Quarantine",
        "Why a row could not be read (column `reason` of the table `quarantine`; "
        "`prefine show quarantine`). Files of benchmarks, tables and verdicts have the "
        "same reasons.",
        glossary(_HEAD, QUARANTINE_REASONS),
        "## Unused labels",
        "Why a label, rating or ranking is not used for any pair (`judgements_without_pair` in the "
        "manifest).",
        glossary(_HEAD, UNUSED_REASONS),
        "## Unused verdicts",
        "Why a row of human verdicts has no effect (`verdicts` in the manifest).",
        glossary(_HEAD, VERDICT_REASONS),
        "## Measures",
        "Why a measure has no value for a row (the columns that end in `_reason`).",
        glossary(_HEAD, MEASURE_REASONS),
        "## Examples",
        "Why a text of a benchmark or an example is not embedded, in addition to `blank` and "
        "`unknown_words`.",
        glossary(_HEAD, EXAMPLE_REASONS),
        "## label_source",
        "What determines the direction of a pair.",
        glossary(_VALUE, LABEL_SOURCES),
        "## pairs.select",
        "Which pairs are built from a list of rated or ranked responses.",
        glossary(_VALUE, SELECTIONS),
        "## prompt_cluster_by, chosen_cluster_by, rejected_cluster_by",
        "How a text joined its cluster of near duplicates.",
        glossary(_VALUE, CLUSTERED_BY),
        "## prompt_differs, responses_differ",
        "How two near duplicates differ: the first of these that applies. `prompt_apart`, "
        "`chosen_apart` and `rejected_apart` have one of the first three.",
        glossary(_VALUE, DIFFERENCES),
        "## contamination_by",
        "How an item of a benchmark was found.",
        glossary(_VALUE, CONTAMINATED_BY),
    )

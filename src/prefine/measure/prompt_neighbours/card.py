"""The section of the data set card on the diversity of the prompts."""

from prefine.settings.json import Json
from prefine.tables.markdown import markdown_table

_ENTROPY = ("entropy", "mean_log_distance")


def diversity_section(notes: Json) -> str:
    """Return the section, as Markdown.

    Args:
        notes: The manifest notes of the step that measured diversity.
    """
    about = (
        f"The k-nearest-neighbour entropy of the prompt embeddings (Kozachenko-Leonenko, k = "
        f"{notes['k']}, {notes['dimensions']} dimensions, in nats), and the mean logarithm of the "
        "distances to the k-th nearest neighbour. Sets of different sizes are not comparable: "
        "compare the kept prompts with the random sample of the same size."
    )
    names = {"all": "all", "kept": "kept", "random": "random sample of the same size"}
    rows = [(name, *_entropy(notes[key])) for key, name in names.items()]
    return f"## Diversity of the prompts\n\n{about}\n\n" + markdown_table(
        ("prompts", "number", "entropy", "mean log distance"), rows
    )


def _entropy(statistics: Json) -> tuple[str, ...]:
    values = ("none" if statistics[k] is None else f"{statistics[k]:.3f}" for k in _ENTROPY)
    return (f"{statistics['num_prompts']:,}", *values)

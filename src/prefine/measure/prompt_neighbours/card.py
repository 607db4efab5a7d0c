"""The section of the data set card on the diversity of the prompts."""

from prefine.settings.json import Json
from prefine.tables.markdown import markdown_table

_ENTROPY = ("entropy", "mean_log_distance")


def diversity_section(notes: Json) -> str:
    """Return the section, as Markdown.

    Args:
        notes: The notes of the step that measured diversity.
    """
    about = (
        f"The k-nearest-neighbour entropy of the prompts' embeddings (Kozachenko-Leonenko, k = "
        f"{notes['k']}, {notes['dimensions']} dimensions, in nats), and the mean logarithm of the "
        "distances that it is made of. Sets of different sizes are not comparable: compare the "
        "kept prompts with as many drawn at random."
    )
    names = {"all": "all", "kept": "kept", "random": "as many at random"}
    rows = [(name, *_entropy(notes[key])) for key, name in names.items()]
    return f"## How diverse the prompts are\n\n{about}\n\n" + markdown_table(
        ("prompts", "number", "entropy", "mean log distance"), rows
    )


def _entropy(found: Json) -> tuple[str, ...]:
    values = ("none" if found[k] is None else f"{found[k]:.3f}" for k in _ENTROPY)
    return (f"{found['num_prompts']:,}", *values)

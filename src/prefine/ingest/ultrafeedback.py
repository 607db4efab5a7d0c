"""UltraFeedback as published: up to four completions, each rated on up to four aspects.

What comes in: ratings written as text, some of them ``N/A``, and a system prompt a completion. What
goes out: one rating a completion and aspect. What never happens: ``N/A`` read as a number.
"""

from prefine.ingest.record import (
    Candidate,
    Context,
    Label,
    Reason,
    Record,
    RowError,
    get,
    items,
    optional,
    prompt_of,
    rating,
    response_of,
)
from prefine.schema.json import Json, is_array, is_object


def detect(row: Json) -> str | None:
    """Tell whether completions carry annotations by aspect."""
    found = row.get("completions")
    if "instruction" in row and is_array(found) and found and is_object(found[0]):
        return "`instruction` with `completions` that carry `annotations`"
    return None


def parse(row: Json, _: Context) -> Record:
    """Read up to four completions with up to four aspects, each rated in text."""
    prompt = prompt_of(get(row, "instruction"), "instruction")
    candidates: list[Candidate] = []
    labels: list[Label] = []
    systems: set[str | None] = set()
    for index, item in enumerate(items(row, "completions")):
        if not is_object(item):
            raise RowError(Reason.WRONG_TYPE, f"`completions[{index}]` is not an object")
        system = optional(item, "custom_system_prompt")
        systems.add(system)
        turns = response_of(item.get("response"), f"completions[{index}].response")
        meta = None if system is None else {"system": system}
        candidates.append(Candidate(turns, optional(item, "model"), meta))
        labels += _annotations(index, item)
    group = optional(row, "source")
    return Record(prompt, candidates, labels, group=group, context_mismatch=len(systems) > 1)


def _annotations(index: int, item: Json) -> list[Label]:
    found: object = item.get("annotations", {})
    if not is_object(found):
        raise RowError(Reason.WRONG_TYPE, f"`completions[{index}].annotations` is not an object")
    labels = [
        rating(index, note.get("Rating") if is_object(note) else note, aspect)
        for aspect, note in found.items()
    ]
    if item.get("overall_score") is not None:
        labels.append(rating(index, item["overall_score"], "overall"))
    return labels

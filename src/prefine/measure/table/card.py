"""The section of the data set card on a joined table."""

from prefine.settings.json import Json
from prefine.tables.markdown import markdown_table


def table_section(name: str, notes: Json) -> str:
    """Return the section, as Markdown.

    Args:
        name: The name of the table.
        notes: The manifest notes of the step that joined it.
    """
    unit = notes["unit"]
    rows = [
        ("rows of the table", f"{notes['rows']:,}"),
        ("duplicate rows", f"{notes['rows_repeated']:,}"),
        ("rows without a match", f"{notes['rows_unused']:,}"),
        ("quarantined rows", _counts(notes["quarantined"])),
        (f"{unit}s in the data", f"{notes[f'{unit}s']:,}"),
        (f"{unit}s without a row", f"{notes[f'{unit}s_without_row']:,}"),
        (f"{unit}s with different rows", f"{notes[f'{unit}s_with_several_rows']:,}"),
        ("values of the wrong type", _counts(notes["wrong_type"])),
    ]
    about = f"Columns were joined from the table `{name}`, matched by {notes['key']}."
    return f"## The table `{name}`\n\n{about}\n\n{markdown_table(('statistic', 'count'), rows)}"


def _counts(counts: Json) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "0"

"""Text on the terminal."""


def cut(text: str, chars: int) -> str:
    """Truncate a text and append how many characters are left out; 0 keeps all."""
    if not chars or len(text) <= chars:
        return text
    return f"{text[:chars]} ... ({len(text) - chars:,} more characters)"

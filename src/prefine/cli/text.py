"""Text on the terminal."""


def cut(text: str, chars: int) -> str:
    """Return the beginning of a text, and how much is left out; 0 characters keep all."""
    if not chars or len(text) <= chars:
        return text
    return f"{text[:chars]} ... ({len(text) - chars:,} more characters)"

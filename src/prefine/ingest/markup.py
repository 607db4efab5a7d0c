"""Convert HTML to plain text."""

from html.parser import HTMLParser

from prefine.ingest.record import Reason, RowError

_BLOCKS = frozenset(
    {*("p", "li", "pre", "div", "h1", "h2", "h3"), *("blockquote", "ul", "ol", "tr")}
)


class _Text(HTMLParser):
    """Parser that collects the text of HTML; block elements end with a line break."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag in _BLOCKS:
            self.parts.append("\n")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag == "br":
            self.parts.append("\n")


def from_html(markup: str) -> str:
    """Return the text of HTML without markup.

    Raises:
        RowError: The HTML cannot be parsed.
    """
    parser = _Text()
    try:
        parser.feed(markup)
        parser.close()
    except AssertionError as error:  # how the standard library refuses a declaration like <![x[
        raise RowError(
            Reason.WRONG_TYPE, "a text is not valid HTML; set `text: plain` on the source"
        ) from error
    return "".join(parser.parts).strip()

"""Parsers shared by the two layouts of summarize_from_feedback: posts, articles and summaries."""

from prefine.ingest.messages import response_of
from prefine.ingest.record import Candidate, Reason, RowError
from prefine.ingest.values import optional, required, text
from prefine.schema import Message
from prefine.settings.json import Json, is_object

_POST = (("subreddit", "SUBREDDIT: r/"), ("title", "TITLE: "), ("post", "POST: "))


def prompt_to_summarise(row: Json) -> list[Message]:
    """Return the prompt of the published policies; summaries begin with the blank after it.

    Raises:
        RowError: ``info`` is missing, or has neither a post nor an article.

    Source: Stiennon et al., Learning to summarize from human feedback, 2020, and its code: the
    query formats of the tasks TL;DR and CNN/DM.
    """
    info = required(row, "info")
    if not is_object(info):
        raise RowError(Reason.WRONG_TYPE, "`info` is not an object")
    if info.get("post") is None:
        whole = f"Article:\n{text(required(info, 'article'), 'info.article')}\n\nTL;DR:\n"
    else:
        text(info["post"], "info.post")
        parts = [f"{start}{value}" for key, start in _POST if (value := optional(info, key))]
        whole = "\n\n".join([*parts, "TL;DR:"])
    return [Message(role="user", content=whole)]


def group_of_post(row: Json) -> str | None:
    """Return the subreddit of a post, or the site of an article."""
    return optional(row["info"], "subreddit") or optional(row["info"], "site")


def summary_of(value: object, what: str) -> Candidate:
    """Parse a summary and the policy that wrote it; the text is unchanged."""
    if not is_object(value):
        raise RowError(Reason.WRONG_TYPE, f"`{what}` is not an object")
    return Candidate(response_of(value.get("text"), f"{what}.text"), optional(value, "policy"))

"""An LLM judge behind a real socket, and in a recipe."""

import math
import re
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from prefine.errors import RecipeError, ServiceError
from prefine.serve.chat import Chat
from prefine.serve.vllm import lanes
from prefine.settings import Model
from tests.made import byte_tokenizer, explicit, table
from tests.scripted import Listener, Request

Reply = Callable[[dict[str, Any]], list[dict[str, Any]]]
A, B = (byte_tokenizer()(letter)["input_ids"][0] for letter in "AB")


def token(token_id: int, probabilities: dict[int, float]) -> dict[str, Any]:
    """Write a token as vLLM does, with the others that were asked about."""
    named = [
        {"token": f"token_id:{n}", "logprob": math.log(p)} for n, p in probabilities.items() if p
    ]
    return {
        "token": f"token_id:{token_id}",
        "logprob": math.log(probabilities[token_id]),
        "top_logprobs": named,
    }


def says(text: str, tokens: list[dict[str, Any]]) -> dict[str, Any]:
    return {"message": {"content": text}, "logprobs": {"content": tokens}}


def letter(probability: float) -> dict[str, Any]:
    """Answer with one letter; half of the mass is on other tokens."""
    shares = {A: probability / 2, B: (1 - probability) / 2}
    chosen = A if probability > 0.5 else B
    return says("A" if chosen == A else "B", [token(chosen, shares)])


class Judge(Listener):
    """A server that chats."""

    def __init__(self, reply: Reply) -> None:
        def post(request: Request, body: dict[str, Any], _: int) -> None:
            request.send({"choices": reply(body), "usage": {"prompt_tokens": 9}})

        super().__init__(post, id="j", max_model_len=10**6)

    @property
    def asked(self) -> list[dict[str, Any]]:
        """All questions but that of the check."""
        return [body for body in self.requests if "=== " in body["messages"][0]["content"]]


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Generator[Callable[[Reply], Judge]]:
    monkeypatch.setattr(lanes, "_FIRST_WAIT_S", 0.01)
    made: list[Judge] = []

    def make(reply: Reply) -> Judge:
        made.append(Judge(reply))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def recipe(tmp_path: Path, write_lines: Any) -> str:
    write_lines([explicit("Sum?", "good", "bad"), explicit("More?", "bad", "good" + "d" * 9)])
    byte_tokenizer().save_pretrained(tmp_path / "model")
    return (
        "name: made\nsources: [{name: made, files: [rows.jsonl]}]\n"
        "measures: [{kind: judge/vllm, served_model: j, principle: Be good., "
        f"weights: {{model: {tmp_path / 'model'}}}MORE}}]\n"
    )


def shown(body: dict[str, Any]) -> tuple[str, str]:
    """Return the two responses of a question, in their order."""
    text = body["messages"][0]["content"]
    found = re.search(r"Response A\n(.*)\n\n=== Response B\n(.*)\n\n=== Q", text)
    return (found[1], found[2]) if found else ("good", "bad")


def prefers_good(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Prefer the good response, and slightly the first one."""
    return [letter(0.8 if shown(body)[0].startswith("good") else 0.4)] * body["n"]


def test_pairs_are_judged_in_both_orders(judge: Any, recipe: str, tmp_path: Path) -> None:
    server = judge(prefers_good)

    facts = table(
        recipe.replace("MORE", ""), tmp_path, "facts", servers={"judge": (server.url,)}
    ).sort("judge_probability")

    assert len(server.asked) == 4
    assert sorted(shown(body) for body in server.asked) == sorted(
        [("good", "bad"), ("bad", "good"), ("good" + "d" * 9, "bad"), ("bad", "good" + "d" * 9)]
    )
    assert all(body["allowed_token_ids"] == [A, B] for body in server.requests)
    assert all("Be good." in body["messages"][0]["content"] for body in server.asked)
    assert facts["judge_probability"].to_list() == pytest.approx([0.3, 0.7])
    assert facts["judge_position_bias"].to_list() == pytest.approx([0.1, 0.1])
    assert facts["judge_position_consistent"].to_list() == [True, True]
    assert facts["judge_num_answers"].to_list() == [2, 2]
    assert facts["judge_reason"].null_count() == 2


def test_a_judge_that_prefers_the_first_place_is_found_out(
    judge: Any, recipe: str, tmp_path: Path
) -> None:
    server = judge(lambda body: [letter(0.9)] * body["n"])

    facts = table(recipe.replace("MORE", ""), tmp_path, "facts", servers={"judge": (server.url,)})

    assert facts["judge_position_consistent"].to_list() == [False, False]
    assert facts["judge_probability"].to_list() == pytest.approx([0.5, 0.5])
    assert facts["judge_position_bias"].to_list() == pytest.approx([0.4, 0.4])


def test_reasons_are_read_at_their_verdict_and_samples_counted(
    judge: Any, recipe: str, tmp_path: Path
) -> None:
    def aloud(body: dict[str, Any]) -> list[dict[str, Any]]:
        if "Verdict" not in body["messages"][0]["content"]:
            return [letter(0.8)] * body["n"]
        mention = token(B, {A: 0.1, B: 0.9})
        verdict = token(A, {A: 0.6, B: 0.2})
        good = says("B is poor. Verdict: A", [mention, token(7, {7: 1.0}), verdict])
        unread = says("I cannot say", [token(7, {7: 1.0})])
        other = says("**Verdict:** B", [token(B, {A: 0.25, B: 0.75})])
        return [good, good, other, unread]

    more = ", reasoning_tokens: 50, samples: 4, temperature: 0.7"
    server = judge(aloud)
    facts = table(recipe.replace("MORE", more), tmp_path, "facts", servers={"judge": (server.url,)})

    shown_first = (0.75 + 0.75 + 0.25) / 3
    assert facts["judge_position_bias"].to_list() == pytest.approx([shown_first - 0.5] * 2)
    assert facts["judge_self_consistency"].to_list() == pytest.approx([2 / 3] * 2)
    assert facts["judge_num_answers"].to_list() == [6, 6]
    assert all("allowed_token_ids" not in body for body in server.asked)
    assert all(body["max_tokens"] == 50 for body in server.asked)


def test_answers_that_cannot_be_read_and_long_questions_are_null_with_their_reason(
    judge: Any, recipe: str, tmp_path: Path
) -> None:
    def mute(body: dict[str, Any]) -> list[dict[str, Any]]:
        if shown(body)[0] == "bad":
            return [says("Hm.", [token(7, {7: 1.0})])]
        return [letter(0.8)]

    server = judge(mute)
    servers = {"judge": (server.url,)}
    mute_facts = table(recipe.replace("MORE", ""), tmp_path, "facts", servers=servers)
    chat = Chat(Model(model=str(tmp_path / "model")))
    shorter = min(len(chat.ids(chat.text(body["messages"], ask=True))) for body in server.asked)
    limit = f", max_tokens: {shorter + 1}"
    long_facts = table(recipe.replace("MORE", limit), tmp_path, "facts", servers=servers)

    assert mute_facts["judge_reason"].to_list() == ["unparsable", "unparsable"]
    assert mute_facts["judge_probability"].null_count() == 2
    assert mute_facts["judge_num_answers"].to_list() == [1, 1]
    assert sorted(long_facts["judge_reason"].to_list()) == ["too_long", "unparsable"]


def test_a_judge_that_does_not_answer_as_it_must_is_refused(
    judge: Any, recipe: str, tmp_path: Path
) -> None:
    chatty = judge(lambda _: [says("Well,", [token(7, {7: 1.0})])])
    short = judge(lambda body: [letter(0.6)] if "=== " not in str(body["messages"]) else [])

    with pytest.raises(RecipeError, match="does not restrict answers to A and B"):
        table(recipe.replace("MORE", ""), tmp_path, "facts", servers={"judge": (chatty.url,)})
    with pytest.raises(ServiceError, match="response has 0 answers, expected 1"):
        table(
            recipe.replace("MORE", ""),
            tmp_path,
            "facts",
            servers={"judge": (short.url,)},
            retries=1,
        )


def test_questions_that_were_answered_are_not_asked_again(
    judge: Any, recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prefine.measure.judge.vllm._ROWS_PER_PIECE", 1)
    broken = judge(lambda body: prefers_good(body) if len(broken.requests) <= 3 else [])
    whole = judge(prefers_good)
    settings = {"retries": 0, "in_flight": 1}

    with pytest.raises(ServiceError):
        table(
            recipe.replace("MORE", ""),
            tmp_path,
            "facts",
            servers={"judge": (broken.url,)},
            **settings,
        )
    facts = table(
        recipe.replace("MORE", ""), tmp_path, "facts", servers={"judge": (whole.url,)}, **settings
    )

    assert len(whole.asked) == 2
    assert facts["judge_probability"].null_count() == 0

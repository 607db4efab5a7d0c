import pytest
from pydantic import ValidationError

from prefine.measure.judge.answers import combine_orders, summarize_answers
from prefine.measure.judge.vllm import VllmJudge
from prefine.measure.judge.wording import render_question, render_turns
from prefine.schema import Flip
from prefine.serve.vllm.judge import Answer
from prefine.settings import Weights
from tests.made import assistant, user


def judge(**more: object) -> VllmJudge:
    settings = {"kind": "judge/vllm", "weights": Weights(model="a/b"), "served_model": "j"}
    return VllmJudge(**{**settings, **more})


def test_both_orders_are_combined_as_in_the_worked_example() -> None:
    found = [
        combine_orders(*one)
        for one in zip([0.8, 0.6, 0.55, 0.3], [0.7, 0.3, 0.2, 0.6], strict=True)
    ]

    assert [mean for mean, _, _ in found] == pytest.approx([0.75, 0.45, 0.375, 0.45])
    assert [consistent for *_, consistent in found] == [True, False, False, False]
    assert sum(bias for _, bias, _ in found) / 4 == pytest.approx(0.05625)


def test_the_swapped_pair_has_the_complement_and_the_same_bias() -> None:
    mean, bias, consistent = combine_orders(0.8, 0.3)
    swapped = combine_orders(1 - 0.3, 1 - 0.8)

    assert swapped == (pytest.approx(1 - mean), pytest.approx(bias), consistent)
    flips = {column.name: column.flip for column in judge().columns()}
    assert flips["judge_probability"] is Flip.COMPLEMENT
    assert flips["judge_position_bias"] is Flip.SAME


def test_several_answers_have_a_mean_and_a_share_that_agrees() -> None:
    told = summarize_answers([Answer(True, 0.9), Answer(True, 0.6), Answer(False, 0.3)])

    assert told == (pytest.approx(0.6), pytest.approx(2 / 3), 3)
    assert summarize_answers([]) is None


def test_marks_in_a_response_are_left_as_they_are() -> None:
    config = judge(
        wording="{principle}|{conversation}|{first}|{second}|{other}", principle="{first}!"
    )

    text = render_question(
        config.question_wording, [user("{second}?"), assistant("so")], "one {principle}", "two"
    )

    assert text == "{first}!|user: {second}?\n\nassistant: so|one {principle}|two|{other}"


def test_the_question_asks_for_what_can_be_read() -> None:
    asked = [user("Why?")]

    assert render_question(judge().question_wording, asked, "x", "y").endswith(
        "Say A or B and nothing else."
    )
    assert "`Verdict: A` or `Verdict: B`" in render_question(
        judge(reasoning_tokens=9).question_wording, asked, "x", "y"
    )
    assert render_turns(asked) in render_question(judge().question_wording, asked, "x", "y")
    assert judge().principle in render_question(judge().question_wording, asked, "x", "y")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"wording": "{first} {second}"}, "lacks {principle}, {conversation}"),
        ({"samples": 3}, "needs a `temperature` above 0"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        judge(**change)

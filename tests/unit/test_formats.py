"""Each published layout, by one row in its own spelling."""

import json
from typing import Any

import pytest

from prefine.errors import DataError
from prefine.ingest.detect import detect, matching_layouts
from prefine.ingest.layouts import LAYOUTS, format_of
from prefine.ingest.record import Reason, Record, RowError
from prefine.schema import Kind, Winner
from tests.made import assistant, explicit, first_rows, read_record, read_row, turn, user
from tests.published import PUBLISHED

ROWS: dict[str, dict[str, Any]] = {
    "trl_explicit": explicit("Name a prime above 10.", "11", "12"),
    "trl_implicit": {
        "chosen": [user("Name a prime."), assistant("11")],
        "rejected": [user("Name a prime."), assistant("12")],
    },
    "trl_unpaired": {"prompt": "Name a prime.", "completion": " 12", "label": False},
    "h4": {
        "prompt": "Say hi.",
        "prompt_id": "ab12",
        "chosen": [user("Say hi."), assistant("Hi!")],
        "rejected": [user("Say hi."), assistant("No.")],
        "messages": [user("Say hi."), assistant("Hi!")],
        "score_chosen": 8.0,
        "score_rejected": 4.5,
    },
    "hh": {
        "chosen": "\n\nHuman: What is a haiku?\n\nAssistant: A short poem.",
        "rejected": "\n\nHuman: What is a haiku?\n\nAssistant: A kind of boat.",
    },
    "scored_text": {
        "text": ["## Human:\nWhy?\n\n## Assistant:\nSo.", "## Human:\nWhy?\n\n## Assistant:\nNo."],
        "score": [0.5, 1.5],
    },
    "ultrafeedback": {
        "source": "sharegpt",
        "instruction": "Say hi.",
        "models": ["m1", "m2"],
        "completions": [
            {
                "model": "m1",
                "custom_system_prompt": "Be kind.",
                "response": "Hi!",
                "annotations": {
                    "honesty": {"Rating": "N/A", "Rationale": ""},
                    "helpfulness": {"Type": ["1"], "Rating": "4", "Rationale": ""},
                },
                "overall_score": 8.5,
            },
            {
                "model": "m2",
                "custom_system_prompt": "Be brief.",
                "response": "Yo.",
                "annotations": {"helpfulness": {"Rating": "2"}},
            },
        ],
        "correct_answers": ["None"],
        "incorrect_answers": ["None"],
    },
    "helpsteer2": {
        "prompt": "Define entropy.",
        "response": "Disorder.",
        "helpfulness": 3,
        "correctness": 4,
        "coherence": 4,
        "complexity": 1,
        "verbosity": 0,
    },
    "helpsteer2_preference": {
        "split": "train",
        "prompt": "Define entropy.",
        "response_1": "Disorder.",
        "response_2": "Heat.",
        "preference_strength": 2,
    },
    "helpsteer3": {
        "domain": "general",
        "language": "english",
        "context": [user("Define entropy.")],
        "response1": "Disorder.",
        "response2": "Heat.",
        "overall_preference": -2,
        "individual_preference": [{"score": -3}, {"score": 0}, {"score": 1}],
    },
    "arena_33k": {
        "question_id": "q",
        "model_a": "x",
        "model_b": "y",
        "winner": "tie (bothbad)",
        "judge": "arena_user_1",
        "conversation_a": [user("2+2?"), assistant("5")],
        "conversation_b": [user("2+2?"), assistant("22")],
        "language": "English",
    },
    "arena_55k": {
        "id": "1",
        "model_a": "x",
        "model_b": "y",
        "prompt": json.dumps(["Hi", "And?"]),
        "response_a": json.dumps(["Hello", "More."]),
        "response_b": json.dumps(["Yo", "Less."]),
        "winner_model_a": "0",
        "winner_model_b": "1",
        "winner_tie": "0",
    },
    "arena_140k": {
        "id": "v1",
        "model_a": "x",
        "model_b": "y",
        "winner": "both_bad",
        "evaluation_session_id": "s",
        "evaluation_order": 1,
        "conversation_a": [
            {"role": "user", "content": [{"type": "text", "text": "2+2?", "image": None}]},
            {"role": "assistant", "content": [{"type": "text", "text": "5", "image": None}]},
        ],
        "conversation_b": [
            {"role": "user", "content": [{"type": "text", "text": "2+2?", "image": None}]},
            {"role": "assistant", "content": [{"type": "text", "text": "22", "image": None}]},
        ],
        "language": "en",
    },
    "nectar": {
        "prompt": "\n\nHuman: Hi\n\nAssistant: ",
        "answers": [
            {"answer": "Hello!", "model": "gpt-4", "rank": 1.0},
            {"answer": "Yo", "model": "m2", "rank": 2.0},
            {"answer": "...", "model": "m3", "rank": 2.0},
        ],
        "source": ["sharegpt"],
    },
    "on_policy": {
        "prompt": "2+2?",
        "all_generated_responses": ["4", "4", "5"],
        "all_rm_scores": [12.5, 12.5, -3.0],
        "chosen": [user("2+2?"), assistant("4")],
        "rejected": [user("2+2?"), assistant("5")],
    },
    "distilabel": {
        "instruction": "2+2?",
        "generations": ["4", "5"],
        "generation_models": ["m1", "m2"],
        "ratings": [5, None],
        "model_name": "judge",
    },
    "alpaca_eval": {
        "instruction": "Name an actor.",
        "output_1": "Hugh Jackman.",
        "generator_1": "base",
        "output_2": "Nobody.",
        "generator_2": "other",
        "dataset": "helpful_base",
        "annotator": "gpt4",
        "preference": 1.0518,
    },
    "sharegpt": {
        "conversations": [
            {"from": "system", "value": "Be brief."},
            {"from": "human", "value": "Hi"},
        ],
        "chosen": {"from": "gpt", "value": "Hello!"},
        "rejected": {"from": "gpt", "value": "What?"},
    },
    "sharegpt_unpaired": {"messages": [user("Hi"), assistant("Hello!")], "label": True},
    "rm_bench": {
        "id": 8,
        "subset": "chat",
        "prompt": "Hi",
        "chosen": ["Good 1", "Good 2"],
        "rejected": ["Bad 1", "Bad 2"],
    },
    "reward_bench_2": {
        "id": "1",
        "subset": "Focus",
        "prompt": "Hi",
        "chosen": ["Good"],
        "rejected": ["Bad 1", "Bad 2", "Bad 3"],
        "num_correct": 1,
        "total_completions": 4,
    },
    "rmb_pairwise": {
        "pair_uid": "1",
        "conversation_input": [turn("user", "Hi")],
        "chosen": {"llm_name": "x", "answer": "Hello"},
        "reject": {"llm_name": "y", "answer": "No"},
        "category_path": "Pairwise_set/S1",
    },
    "rmb_bon": {
        "bon_uid": "1",
        "conversation_input": [turn("user", "Hi")],
        "bon_best": {"llm_name": "x", "answer": "Hello"},
        "loser_list": [{"llm_name": "y", "answer": "No"}, {"llm_name": "z", "answer": "Eh"}],
        "category_path": "BoN_set/S1",
    },
    "pandalm": {
        "idx": 0,
        "cmp_key": "bloom-7b_llama-7b",
        "instruction": "Fix it.",
        "input": "If you has.",
        "response1": "If you have.",
        "response2": "No.",
        "annotator1": 1,
        "annotator2": 0,
        "annotator3": 2,
    },
    "finegrained": {
        "question": "When?",
        "passages": [],
        "prediction 1": "a",
        "prediction 2": "b",
        "prediction 3": "c",
        "prediction 4": "d",
        "preference": [0, 1, 2, 1, 2, 0],
    },
    "llmeval2": {
        "question_uuid": "q",
        "llm_name": "m",
        "dialog": [turn("user", "Why?"), turn("llm", "So.")],
        "type": "B",
        "stars": {"Fluency": 3, "Accuracy": 5},
    },
    "domains": {"query": "Why?", "responses": {"academy": "So.", "business": "Costs."}},
    "fastchat": {"question_id": 1, "answer1_id": "a", "answer2_id": "b", "score": [8, 9]},
}


def said(record: Record) -> list[str]:
    return [candidate.messages[-1]["content"] for candidate in record.candidates]


def winners(record: Record) -> list[str]:
    return [str(label.winner) for label in record.labels if label.kind is Kind.PAIR]


@pytest.mark.parametrize("layout", list(ROWS))
def test_a_row_fits_its_own_layout_and_no_other(layout: str) -> None:
    assert [found.format for found in matching_layouts(ROWS[layout])] == [layout]


def test_every_layout_but_the_described_one_has_a_row_here() -> None:
    published = {entry.format for entry in PUBLISHED}

    assert {format_of(layout) for layout in LAYOUTS} == {"columns", *ROWS, *published}


@pytest.mark.parametrize(
    ("layout", "prompt", "responses"),
    [
        ("trl_explicit", ["Name a prime above 10."], ["11", "12"]),
        ("trl_implicit", ["Name a prime."], ["11", "12"]),
        ("trl_unpaired", ["Name a prime."], [" 12"]),
        ("h4", ["Say hi."], ["Hi!", "No."]),
        ("hh", ["What is a haiku?"], ["A short poem.", "A kind of boat."]),
        ("scored_text", ["Why?"], ["So.", "No."]),
        ("ultrafeedback", ["Say hi."], ["Hi!", "Yo."]),
        ("helpsteer2", ["Define entropy."], ["Disorder."]),
        ("helpsteer2_preference", ["Define entropy."], ["Disorder.", "Heat."]),
        ("helpsteer3", ["Define entropy."], ["Disorder.", "Heat."]),
        ("arena_33k", ["2+2?"], ["5", "22"]),
        ("arena_140k", ["2+2?"], ["5", "22"]),
        ("nectar", ["Hi"], ["Hello!", "Yo", "..."]),
        ("on_policy", ["2+2?"], ["4", "4", "5"]),
        ("distilabel", ["2+2?"], ["4", "5"]),
        ("alpaca_eval", ["Name an actor."], ["Hugh Jackman.", "Nobody."]),
        ("sharegpt", ["Be brief.", "Hi"], ["Hello!", "What?"]),
        ("sharegpt_unpaired", ["Hi"], ["Hello!"]),
        ("rm_bench", ["Hi"], ["Good 1", "Good 2", "Bad 1", "Bad 2"]),
        ("reward_bench_2", ["Hi"], ["Good", "Bad 1", "Bad 2", "Bad 3"]),
        ("rmb_pairwise", ["Hi"], ["Hello", "No"]),
        ("rmb_bon", ["Hi"], ["Hello", "No", "Eh"]),
        ("pandalm", ["Fix it.\n\nIf you has."], ["If you have.", "No."]),
        ("finegrained", ["When?"], ["a", "b", "c", "d"]),
        ("llmeval2", ["Why?"], ["So."]),
    ],
)
def test_prompt_and_responses_are_told_apart(
    layout: str, prompt: list[str], responses: list[str]
) -> None:
    record = read_record(ROWS[layout])

    assert [message["content"] for message in record.prompt] == prompt
    assert said(record) == responses
    assert {m["role"] for c in record.candidates for m in c.messages} == {"assistant"}


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        ("trl_explicit", ["a"]),
        ("scored_text", ["b"]),
        ("helpsteer2_preference", ["b"]),
        ("helpsteer3", ["a", "a", "tie", "b"]),
        ("arena_33k", ["both_bad"]),
        ("arena_55k", ["b"]),
        ("arena_140k", ["both_bad"]),
        ("alpaca_eval", ["a"]),
        ("rm_bench", ["a", "a"]),
        ("reward_bench_2", ["a", "a", "a"]),
        ("rmb_bon", ["a", "a"]),
        ("pandalm", ["a", "tie", "b"]),
        ("finegrained", ["tie", "a", "b", "a", "b", "tie"]),
    ],
)
def test_labels_name_the_right_side(layout: str, expected: list[str]) -> None:
    assert winners(read_record(ROWS[layout])) == expected


def test_turns_of_both_sides_of_an_arena_row_alternate() -> None:
    record = read_record(ROWS["arena_55k"])

    assert record.prompt == [user("Hi")]
    assert record.candidates[0].messages == [assistant("Hello"), user("And?"), assistant("More.")]
    assert record.context_mismatch


def test_the_helpsteer3_votes_keep_their_annotators_and_strengths() -> None:
    labels = read_record(ROWS["helpsteer3"]).labels

    assert [(k.aspect, k.annotator, k.strength) for k in labels] == [
        (None, None, 2.0),
        ("individual", "annotator_1", 3.0),
        ("individual", "annotator_2", 0.0),
        ("individual", "annotator_3", 1.0),
    ]


def test_rm_bench_sets_each_style_against_its_own() -> None:
    labels = read_record(ROWS["rm_bench"]).labels

    assert [(k.a, k.b) for k in labels] == [(0, 2), (1, 3)]


def test_the_best_of_n_is_set_against_every_loser() -> None:
    labels = read_record(ROWS["rmb_bon"]).labels

    assert [(k.a, k.b) for k in labels] == [(0, 1), (0, 2)]


def test_a_probability_near_even_is_a_weak_preference() -> None:
    label = read_record(ROWS["alpaca_eval"]).labels[0]

    assert label.winner is Winner.A
    assert label.strength == pytest.approx(0.8964)


@pytest.mark.parametrize(
    ("value", "winner"), [(1.5, "tie"), (0, "tie"), (None, "invalid"), (2, "b"), (1, "a")]
)
def test_every_preference_of_alpaca_eval_has_its_meaning(value: Any, winner: str) -> None:
    record = read_record({**ROWS["alpaca_eval"], "preference": value})

    assert winners(record) == [winner]


def test_the_wanted_domain_is_rated_above_the_others() -> None:
    found = read_row(ROWS["domains"], "domains", domain="business")

    assert isinstance(found, Record)
    assert [label.rating for label in found.labels] == [0.0, 1.0]


def test_flattened_helpsteer2_turns_become_messages() -> None:
    flat = "Hi\n<extra_id_1>Assistant\nHello\n<extra_id_1>User\nMore"
    record = read_record({**ROWS["helpsteer2"], "prompt": flat})

    assert record.prompt == [user("Hi"), assistant("Hello"), user("More")]


def test_llama_factory_v1_parts_are_read() -> None:
    def said_(text: str) -> dict[str, Any]:
        return {"role": "assistant", "content": [{"type": "text", "value": text}], "loss_weight": 1}

    asked = {"role": "user", "content": [{"type": "text", "value": "Hi"}], "loss_weight": 0.0}
    row = {"chosen_messages": [asked, said_("A")], "rejected_messages": [asked, said_("B")]}

    record = read_record(row)

    assert said(record) == ["A", "B"]


def test_two_layouts_that_fit_are_refused_with_both_reasons() -> None:
    row = {**ROWS["alpaca_eval"], **ROWS["distilabel"]}

    with pytest.raises(DataError, match=r"several layouts fit.*distilabel.*alpaca_eval"):
        detect(first_rows([row]), "file.jsonl")


def test_an_unknown_layout_is_refused_with_its_keys() -> None:
    with pytest.raises(
        DataError, match=r"file.jsonl: no known layout has these keys: a \(a number\), b"
    ):
        detect(first_rows([{"b": 1, "a": 2}]), "file.jsonl")


def test_a_layout_is_recognised_past_rows_that_fit_none() -> None:
    assert detect(first_rows([{"note": "x"}, ROWS["hh"]]), "file.jsonl").format == "hh"


@pytest.mark.parametrize(
    ("layout", "change", "reason"),
    [
        ("trl_explicit", {"chosen": None}, Reason.RESPONSE_MISSING),
        ("trl_explicit", {"prompt": [user("  ")]}, Reason.PROMPT_EMPTY),
        ("trl_explicit", {"prompt": [None]}, Reason.WRONG_TYPE),
        (
            "trl_explicit",
            {"chosen": [{"role": None, "content": "x"}]},
            Reason.UNKNOWN_ROLE,
        ),
        (
            "trl_explicit",
            {"chosen": [{"role": "assistant", "content": None}]},
            Reason.NOT_TEXT_CONTENT,
        ),
        ("trl_explicit", {"chosen": [user("x")]}, Reason.RESPONSE_NOT_ASSISTANT),
        ("pandalm", {"response1": True}, Reason.RESPONSE_NOT_TEXT),
        ("pandalm", {"annotator2": 7}, Reason.UNKNOWN_LABEL),
        ("hh", {"rejected": "Hello"}, Reason.NOT_A_TRANSCRIPT),
        (
            "hh",
            {"chosen": ROWS["hh"]["chosen"] + "\n\nHuman: More?"},
            Reason.RESPONSE_NOT_ASSISTANT,
        ),
        (
            "hh",
            {"rejected": "\n\nHuman: Else?\n\nAssistant: No."},
            Reason.NO_COMMON_PROMPT,
        ),
        ("arena_55k", {"winner_tie": "1"}, Reason.UNKNOWN_LABEL),
        ("arena_55k", {"response_a": "not json"}, Reason.WRONG_TYPE),
        ("arena_55k", {"response_a": '["one"]'}, Reason.TURNS_DIFFER),
        ("arena_55k", {"response_a": '["one", null]'}, Reason.RESPONSE_NOT_TEXT),
        ("alpaca_eval", {"preference": 7}, Reason.UNKNOWN_LABEL),
        ("distilabel", {"ratings": [5]}, Reason.WRONG_TYPE),
        ("finegrained", {"preference": [0, 1]}, Reason.WRONG_TYPE),
        ("h4", {"prompt": "Something else."}, Reason.PROMPT_DIFFERS),
        ("trl_unpaired", {"label": "maybe"}, Reason.UNKNOWN_LABEL),
    ],
)
def test_a_row_that_cannot_be_read_says_why(
    layout: str, change: dict[str, Any], reason: Reason
) -> None:
    found = read_row({**ROWS[layout], **change}, layout)

    assert isinstance(found, RowError)
    assert found.reason is reason


def test_a_judgement_of_an_unknown_question_says_so() -> None:
    found = read_row(ROWS["fastchat"], "fastchat", tables={"questions": {"files": ["q.jsonl"]}})

    assert isinstance(found, RowError)
    assert found.reason is Reason.LOOKUP_MISSING

"""Rows in the published schema of preference sets and trainers, and what they must be read as.

A prompt and a response of several turns is a list of ``role: text``; a response of one turn is its
text. Labels are short: ``0>1`` the first response wins, ``0=1`` a tie, ``0!1`` both are bad,
``0:4.5`` a rating, ``0#1`` a rank; ``/`` an aspect, ``@`` an annotator, ``*`` a strength.
"""

import json
from typing import Any, NamedTuple

from tests.made import assistant, user


class Read(NamedTuple):
    """The expected record."""

    prompt: list[str]
    responses: list[Any]
    labels: list[str]


class Published(NamedTuple):
    """One published form of rows."""

    name: str
    """As in the table of ``docs/layouts.md``."""
    format: str
    """The layout that is recognised; ``columns`` where the docs show a map."""
    rows: list[dict[str, Any]]
    expected: list[Read]
    mismatch: bool = False


HI = ["user: Say hi."]
TWO = ["Hi!", "No."]
FIRST = ["0>1"]
CHOSEN = [user("Say hi."), assistant("Hi!")]
REJECTED = [user("Say hi."), assistant("No.")]
PAIR = [Read(HI, TWO, FIRST)]


def same(name: str, format_: str, labels: list[str] | None = None, /, **row: Any) -> Published:
    """Return a form whose row says: to "Say hi." the response "Hi!" is preferred to "No."."""
    return Published(name, format_, [row], [Read(HI, TWO, labels or FIRST)])


def human(text: str) -> dict[str, str]:
    return {"from": "human", "value": text}


def gpt(text: str) -> dict[str, str]:
    return {"from": "gpt", "value": text}


def oasst(name: str, text: str, rank: int | None = None, *replies: Any, **more: Any) -> Any:
    role = "assistant" if name.startswith("a") else "prompter"
    facts = {"message_id": name, "text": text, "role": role, "rank": rank, "lang": "en"}
    return {**facts, "deleted": False, "replies": list(replies), **more}


TREE = oasst(
    "p1",
    "Name a tree.",
    None,
    oasst("a1", "Oak.", 0, oasst("p2", "And?", 0, oasst("a4", "Elm.", 1), oasst("a5", "Ash.", 0))),
    oasst("a2", "Stone.", 1),
    oasst("a3", "Gone.", 2, deleted=True),
)
TREE_READ = [
    Read(["user: Name a tree."], ["Oak.", "Stone."], ["0#1", "1#2"]),
    Read(
        ["user: Name a tree.", "assistant: Oak.", "user: And?"],
        ["Elm.", "Ash."],
        ["0#2", "1#1"],
    ),
]


def flat(message: Any, parent: str | None = None) -> list[dict[str, Any]]:
    own = {key: value for key, value in message.items() if key != "replies"}
    rows = [{**own, "parent_id": parent, "message_tree_id": "p1"}]
    for reply in message["replies"]:
        rows += flat(reply, message["message_id"])
    return rows


def parts(text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text, "image": None, "mimeType": None}]


def arena(winner: str, **more: Any) -> dict[str, Any]:
    sides = {"conversation_a": CHOSEN, "conversation_b": REJECTED}
    return {"model_a": "x", "model_b": "y", "winner": winner, **sides, **more}


SFF = {"id": "t3_x", "post": "Car hit mine.", "title": "Accident", "subreddit": "legaladvice"}
SFF_PROMPT = ["user: SUBREDDIT: r/legaladvice\n\nTITLE: Accident\n\nPOST: Car hit mine.\n\nTL;DR:"]
SAFE = {"is_response_0_safe": False, "is_response_1_safe": True}
ARGILLA_ORCA = {
    "system": "Be kind.",
    "input": "Say hi.",
    "chosen": "Hi!",
    "rejected": "No.",
    "generations": ["No.", "Hi!"],
    "order": ["rejected", "chosen"],
    "labelling_model": "gpt-4",
    "rating": [3.0, 9.0],
    "rationale": "why",
}
MT_BENCH = {
    "question_id": 81,
    "model_a": "x",
    "model_b": "y",
    "judge": "author_1",
    "conversation_a": [*CHOSEN, user("Again."), assistant("Hi again!")],
    "conversation_b": [*REJECTED, user("Again."), assistant("Never.")],
}
WEB_APP = {"code": "print(1)", "template": "streamlit", "title": "One"}
CA = {
    "conversation_id": "c1",
    "annotator_id": "u1",
    "assigned_lang": "en",
    "annotator_age": "18-24",
    "annotator_country": "us",
    "is_pregenerated_first_prompt": True,
    **{f"first_turn_{key}": value for key, value in {"prompt": "Hi?", "response_a": "A"}.items()},
    "first_turn_response_b": "B",
    "first_turn_response_c": "C",
    "first_turn_response_d": "D",
    "first_turn_preferred_response": "response_b",
    "second_turn_prompt": "More?",
    "second_turn_response_a": "E",
    "second_turn_response_b": "F",
    "second_turn_response_c": "G",
    "second_turn_response_d": None,
    "second_turn_preferred_response": "response_a",
    "third_turn_prompt": None,
    "third_turn_preferred_response": None,
}
PRISM = [
    {"turn": 0, "role": "user", "content": "Hi?"},
    {"turn": 0, "role": "model", "content": "A", "model_name": "x", "score": 90, "if_chosen": True},
    {"turn": 0, "role": "model", "content": "B", "model_name": "y", "score": 4, "if_chosen": False},
    {"turn": 1, "role": "user", "content": "More?"},
    {"turn": 1, "role": "model", "content": "C", "model_name": "x", "score": 7, "if_chosen": False},
    {"turn": 1, "role": "model", "content": "D", "model_name": "x", "score": 8, "if_chosen": True},
]
COVAL = {
    "prompt_id": "p",
    "prompt": {"id": "q", "messages": [user("Say hi.")]},
    "responses": [
        {"response_index": letter, "messages": [assistant(letter * 2)]} for letter in "ABCD"
    ],
    "metadata": {
        "assessments": [
            {
                "annotator_id": "u1",
                "ranking_blocks": {
                    "personal": [{"rationale": "", "ranking": "B>A>C=D"}],
                    "world": [{"rationale": "", "ranking": "A>B"}],
                },
            }
        ]
    },
}
VOTE = {"evaluator": "w1", "overall_pref": "A-is-slightly-better", "helpful_pref": "Tie"}
EXPERT = {"evaluator": "e1", "overall_pref": "B-is-clearly-better", "harmless_pref": None}
UF = {
    "source": "sharegpt",
    "instruction": "Say hi.",
    "models": ["m1", "m2"],
    "completions": [
        {"model": "m1", "response": "Hi!", "annotations": {"honesty": {"Rating": "5"}}},
        {"model": "m2", "response": "No.", "annotations": {"honesty": {"Rating": "N/A"}}},
    ],
}

PUBLISHED = (
    same("TRL preference, texts", "trl_explicit", prompt="Say hi.", chosen="Hi!", rejected="No."),
    same(
        "TRL preference, messages",
        "trl_explicit",
        prompt=[user("Say hi.")],
        chosen=[assistant("Hi!")],
        rejected=[assistant("No.")],
    ),
    Published(
        "TRL preference, prompt inside texts",
        "trl_implicit",
        [{"chosen": "The sky is blue.", "rejected": "The sky is green."}],
        [Read(["user: The sky is"], [" blue.", " green."], FIRST)],
    ),
    same(
        "TRL preference, prompt inside messages", "trl_implicit", chosen=CHOSEN, rejected=REJECTED
    ),
    Published(
        "TRL unpaired preference",
        "trl_unpaired",
        [{"prompt": "Say hi.", "completion": "Hi!", "label": True}],
        [Read(HI, ["Hi!"], ["0:1/thumb"])],
    ),
    same(
        "HH-RLHF",
        "hh",
        chosen="\n\nHuman: Say hi.\n\nAssistant: Hi!",
        rejected="\n\nHuman: Say hi.\n\nAssistant: No.",
    ),
    same(
        "HH-RLHF-Helpful-standard",
        "trl_implicit",
        ["0>1", "0:1.5/overall", "1:0.5/overall"],
        chosen=CHOSEN,
        rejected=REJECTED,
        chosen_score=1.5,
        rejected_score=0.5,
    ),
    Published(
        "UltraFeedback", "ultrafeedback", [UF], [Read(HI, TWO, ["0:5/honesty", "1:None/honesty"])]
    ),
    same(
        "ultrafeedback_binarized",
        "h4",
        ["0>1", "0:8/overall", "1:4.5/overall"],
        prompt="Say hi.",
        prompt_id="ab",
        chosen=CHOSEN,
        rejected=REJECTED,
        messages=CHOSEN,
        score_chosen=8.0,
        score_rejected=4.5,
    ),
    same(
        "ultrafeedback-binarized-preferences-cleaned",
        "h4",
        ["0>1", "0:5/overall", "1:3/overall"],
        source="flan",
        prompt="Say hi.",
        chosen=CHOSEN,
        rejected=REJECTED,
        **{
            "chosen-rating": 5.0,
            "chosen-model": "x",
            "rejected-rating": 3.0,
            "rejected-model": "y",
        },
    ),
    same(
        "ultrafeedback-binarized-preferences",
        "paired",
        ["0>1", "0:5/overall", "1:3/overall"],
        source="flan",
        instruction="Say hi.",
        chosen_response="Hi!",
        rejected_response="No.",
        chosen_avg_rating=5.0,
        rejected_avg_rating=3.0,
        chosen_model="x",
    ),
    Published(
        "HelpSteer2",
        "helpsteer2",
        [{"prompt": "Say hi.", "response": "Hi!", "helpfulness": 4, "correctness": 3}],
        [Read(HI, ["Hi!"], ["0:4/helpfulness", "0:3/correctness"])],
    ),
    same(
        "HelpSteer2 preference",
        "helpsteer2_preference",
        ["0>1*2"],
        split="train",
        prompt="Say hi.",
        response_1="Hi!",
        response_2="No.",
        preference_strength=-2,
        preference_statement="1 is better",
    ),
    same(
        "HelpSteer3",
        "helpsteer3",
        ["0>1*2", "0>1*3/individual@annotator_1"],
        domain="general",
        language="english",
        context=[user("Say hi.")],
        response1="Hi!",
        response2="No.",
        overall_preference=-2,
        individual_preference=[{"score": -3}],
    ),
    same(
        "SHP",
        "shp",
        ["0>1*4.2", "0:21/overall", "1:5/overall"],
        post_id="a1",
        domain="askbaking_train",
        upvote_ratio=0.97,
        history="Say hi.",
        human_ref_A="Hi!",
        human_ref_B="No.",
        labels=1,
        score_A=21,
        score_B=5,
        seconds_difference=1.0,
        score_ratio=4.2,
    ),
    Published(
        "SHP-2",
        "shp",
        [
            {
                "post_id": "b",
                "domain": "stack_cooking",
                "history": "Say hi.",
                "human_ref_A": "No.",
                "human_ref_B": "Hi!",
                "labels": 0,
                "score_ratio": 3.0,
            }
        ],
        [Read(HI, ["No.", "Hi!"], ["1>0*3"])],
    ),
    Published(
        "oasst1 trees",
        "oasst_tree",
        [{"message_tree_id": "p1", "tree_state": "ready_for_export", "prompt": TREE}],
        TREE_READ,
    ),
    Published("oasst2 messages", "oasst_messages", flat(TREE), TREE_READ),
    Published(
        "PKU-SafeRLHF",
        "pku_saferlhf",
        [
            {
                "prompt": "Say hi.",
                "response_0": "Hi!",
                "response_1": "No.",
                **SAFE,
                "better_response_id": 0,
                "safer_response_id": 1,
            }
        ],
        [Read(HI, TWO, ["0>1/better", "1>0/safer"])],
    ),
    same(
        "PKU-SafeRLHF-single-dimension",
        "pku_saferlhf",
        ["0>1/better"],
        prompt="Say hi.",
        response_0="Hi!",
        response_1="No.",
        better_response_id=0,
    ),
    Published(
        "BeaverTails",
        "beavertails",
        [
            {
                "prompt": "Say hi.",
                "response": "Die!",
                "is_safe": False,
                "category": {"violence": True, "drugs": False},
            }
        ],
        [Read(HI, ["Die!"], ["0:0/thumb"])],
    ),
    Published(
        "chatbot_arena_conversations",
        "arena_33k",
        [arena("tie (bothbad)", question_id="q", judge="arena_user_1", turn=1, anony=True)],
        [Read(HI, TWO, ["0!1@arena_user_1"])],
    ),
    Published(
        "mt_bench_human_judgments",
        "arena_33k",
        [{**MT_BENCH, "winner": "model_a", "turn": 1}, {**MT_BENCH, "winner": "tie", "turn": 2}],
        [
            Read(HI, TWO, ["0>1@author_1"]),
            Read(
                HI,
                [
                    ["assistant: Hi!", "user: Again.", "assistant: Hi again!"],
                    ["assistant: No.", "user: Again.", "assistant: Never."],
                ],
                ["0=1@author_1"],
            ),
        ],
    ),
    Published(
        "lmsys-arena-human-preference-55k",
        "arena_55k",
        [
            {
                "id": "1",
                "model_a": "x",
                "model_b": "y",
                "prompt": json.dumps(["Say hi."]),
                "response_a": json.dumps(["Hi!"]),
                "response_b": json.dumps(["No."]),
                "winner_model_a": "1",
                "winner_model_b": "0",
                "winner_tie": "0",
            }
        ],
        PAIR,
    ),
    Published(
        "arena-human-preference-100k",
        "arena_100k",
        [
            arena(
                "model_a", question_id="q", judge_hash="u1", turn=1, conv_metadata={}, is_code=False
            )
        ],
        [Read(HI, TWO, ["0>1@u1"])],
    ),
    Published(
        "arena-human-preference-140k",
        "arena_140k",
        [
            {
                **arena("both_bad", id="v", evaluation_session_id="s", evaluation_order=1),
                "conversation_a": [{"role": "user", "content": parts("Say hi.")}, assistant("Hi!")],
                "conversation_b": [{"role": "user", "content": parts("Say hi.")}, assistant("No.")],
            }
        ],
        [Read(HI, TWO, ["0!1"])],
    ),
    Published(
        "webdev-arena-preference-10k",
        "webdev_arena",
        [
            {
                **arena("model_b", question_id="q", language="English"),
                "conversation_a": [
                    {"role": "user", "content": parts("Say hi."), "object": None},
                    {"role": "assistant", "content": parts("Here:"), "object": WEB_APP},
                ],
                "conversation_b": [
                    {"role": "user", "content": parts("Say hi."), "object": None},
                    {"role": "assistant", "content": parts("No."), "object": None},
                ],
            }
        ],
        [Read(HI, ["Here:\n\n```\nprint(1)\n```", "No."], ["1>0"])],
    ),
    same(
        "PPE-Human-Preference-V1",
        "compared",
        question_id="q",
        prompt="Say hi.",
        model_a="x",
        model_b="y",
        response_1="Hi!",
        response_2="No.",
        winner="model_a",
        language="English",
        hard_prompt=False,
    ),
    Published(
        "PPE correctness (PPE-MMLU-Pro-Best-of-K)",
        "ppe_correctness",
        [
            {
                "question_id": "q",
                "prompt": "2+2?",
                "ground_truth": "4",
                "model_name": "m",
                "response_1": "5",
                "response_2": "4",
                "response_3": "3",
                "scores": [False, True, False],
                "sampled_conflict_pairs": [[0, 1], [1, 2]],
            }
        ],
        [
            Read(
                ["user: 2+2?"],
                ["5", "4", "3"],
                ["1>0", "1>2", "0:0/overall", "1:1/overall", "2:0/overall"],
            )
        ],
    ),
    Published(
        "Nectar",
        "nectar",
        [
            {
                "prompt": "\n\nHuman: Say hi.\n\nAssistant: ",
                "answers": [
                    {"answer": "Hi!", "model": "x", "rank": 1.0},
                    {"answer": "No.", "model": "y", "rank": 2.0},
                ],
                "num_responses": 7,
            }
        ],
        [Read(HI, TWO, ["0#1", "1#2"])],
    ),
    same(
        "Skywork-Reward-Preference-80K-v0.2",
        "trl_implicit",
        chosen=CHOSEN,
        rejected=REJECTED,
        source="helpsteer2",
    ),
    same(
        "llama-3.1-tulu-3-8b-preference-mixture",
        "h4",
        id="t1",
        prompt="Say hi.",
        chosen=CHOSEN,
        rejected=REJECTED,
        source="tulu",
    ),
    same(
        "tulu-3-pref-personas-instruction-following",
        "h4",
        id="t1",
        prompt="Say hi.",
        constraints=["short"],
        chosen=CHOSEN,
        rejected=REJECTED,
        chonsen_model="x",
        rejected_model="y",
    ),
    same(
        "Dolci-Instruct-DPO",
        "trl_implicit",
        chosen=CHOSEN,
        rejected=REJECTED,
        chosen_model="x",
        rejected_model="y",
        prompt_id="p",
        preference_type="delta_learning",
    ),
    Published(
        "summarize_from_feedback comparisons",
        "summarize_comparisons",
        [
            {
                "info": SFF,
                "summaries": [
                    {"text": " Car damaged.", "policy": "ref", "note": ""},
                    {"text": " Speeding car.", "policy": "sup4", "note": ""},
                ],
                "choice": 1,
                "worker": "w",
                "batch": "batch9",
                "split": "train",
                "extra": {"confidence": 7},
            }
        ],
        [Read(SFF_PROMPT, [" Car damaged.", " Speeding car."], ["1>0@w"])],
    ),
    Published(
        "summarize_from_feedback axis",
        "summarize_axis",
        [
            {
                "info": {"id": "c", "article": "News.", "site": "cnn", "post": None, "title": "T"},
                "summary": {
                    "text": "Short.",
                    "policy": "sup4",
                    "axes": {"overall": 6, "accuracy": 7, "compatible": None},
                },
                "worker": "w",
            }
        ],
        [
            Read(
                ["user: Article:\nNews.\n\nTL;DR:\n"],
                ["Short."],
                ["0:6/overall@w", "0:7/accuracy@w"],
            )
        ],
    ),
    Published(
        "webgpt_comparisons",
        "webgpt",
        [
            {
                "question": {"dataset": "triviaqa", "id": "1", "full_text": "Say hi."},
                "quotes_0": {"title": ["a"], "extract": ["x"]},
                "answer_0": "Hi! [1]",
                "tokens_0": {},
                "score_0": 0.5,
                "quotes_1": {"title": ["b"], "extract": ["y"]},
                "answer_1": "No.",
                "tokens_1": {},
                "score_1": -0.5,
            }
        ],
        [Read(HI, ["Hi! [1]", "No."], ["0>1*1"])],
        mismatch=True,
    ),
    Published(
        "stack-exchange-preferences",
        "stack_preferences",
        [
            {
                "qid": 7,
                "question": "Say hi.",
                "answers": [
                    {"answer_id": 1, "pm_score": 5, "selected": True, "text": "Hi!"},
                    {"answer_id": 2, "pm_score": 0, "selected": False, "text": "No."},
                ],
                "date": "2012-01-01",
                "metadata": ["https://example.org"],
            }
        ],
        [Read(HI, TWO, ["0:5/overall", "1:0/overall"])],
    ),
    same(
        "stack-exchange-paired",
        "paired",
        qid=7,
        question="Say hi.",
        date="2012",
        metadata=[],
        response_j="Hi!",
        response_k="No.",
    ),
    Published(
        "CoVal comparisons",
        "coval",
        [COVAL],
        [
            Read(
                HI,
                ["AA", "BB", "CC", "DD"],
                [
                    *("1#1/personal@u1", "0#2/personal@u1", "2#3/personal@u1", "3#3/personal@u1"),
                    *("0#1/world@u1", "1#2/world@u1"),
                ],
            )
        ],
    ),
    Published(
        "Community Alignment",
        "community_alignment",
        [CA],
        [
            Read(["user: Hi?"], ["A", "B", "C", "D"], ["1>0@u1", "1>2@u1", "1>3@u1"]),
            Read(
                ["user: Hi?", "assistant: B", "user: More?"],
                ["E", "F", "G"],
                ["0>1@u1", "0>2@u1"],
            ),
        ],
    ),
    same(
        "MultiPref",
        "multipref",
        ["0>1*1@w1", "0=1*0/helpful@w1", "1>0*2@e1"],
        comparison_id="c1",
        prompt_id="p1",
        text="Say hi.",
        completion_a="Hi!",
        model_a="x",
        completion_b="No.",
        model_b="y",
        normal_worker_annotations=[VOTE],
        expert_worker_annotations=[EXPERT],
    ),
    Published(
        "PRISM conversations",
        "prism",
        [
            {
                "conversation_id": "c1",
                "user_id": "u1",
                "conversation_type": "unguided",
                "opening_prompt": "Hi?",
                "conversation_turns": 2,
                "conversation_history": PRISM,
            }
        ],
        [
            Read(["user: Hi?"], ["A", "B"], ["0:90/overall@u1", "1:4/overall@u1"]),
            Read(
                ["user: Hi?", "assistant: A", "user: More?"],
                ["C", "D"],
                ["0:7/overall@u1", "1:8/overall@u1"],
            ),
        ],
    ),
    Published(
        "PRISM utterances",
        "prism_utterances",
        [
            {
                "utterance_id": f"ut{n}",
                "conversation_id": "c1",
                "user_id": "u1",
                "turn": turn,
                "user_prompt": asked,
                "model_response": said,
                "score": score,
                "if_chosen": chosen,
                "model_name": "x",
            }
            for n, (turn, asked, said, score, chosen) in enumerate(
                [(0, "Hi?", "A", 90, True), (0, "Hi?", "B", 4, False), (1, "More?", "C", 7, True)]
            )
        ],
        [
            Read(["user: Hi?"], ["A"], ["0:90/overall@u1"]),
            Read(["user: Hi?"], ["B"], ["0:4/overall@u1"]),
            Read(["user: Hi?", "assistant: A", "user: More?"], ["C"], ["0:7/overall@u1"]),
        ],
    ),
    Published(
        "SimPO on-policy sets (llama3-ultrafeedback-armorm)",
        "on_policy",
        [
            {
                "prompt_id": "p",
                "prompt": "Say hi.",
                "chosen": CHOSEN,
                "rejected": REJECTED,
                "all_generated_responses": ["No.", "Hi!", None],
                "all_rm_scores": [0.1, 0.2, None],
            }
        ],
        [Read(HI, ["No.", "Hi!"], ["0:0.1/overall", "1:0.2/overall", "1>0"])],
    ),
    Published(
        "Snorkel-Mistral-PairRM-DPO-Dataset",
        "on_policy",
        [
            {
                "prompt_id": "p",
                "prompt": "Say hi.",
                "chosen": CHOSEN,
                "rejected": REJECTED,
                "all_generated_responses": ["No.", "Hi!"],
                "all_rm_scores": [-1.0, 2.0],
            }
        ],
        [Read(HI, ["No.", "Hi!"], ["0:-1/overall", "1:2/overall", "1>0"])],
    ),
    Published(
        "Magpie-Pro-DPO-100K-v0.1",
        "magpie_dpo",
        [
            {
                "uuid": "u",
                "instruction": "Say hi.",
                "responses": ["No.", "Hi!"],
                "rewards_armorm": [{"score": 0.1, "rewards": []}, {"score": 0.2, "rewards": []}],
                "chosen": CHOSEN,
                "rejected": REJECTED,
            }
        ],
        [Read(HI, ["No.", "Hi!"], ["0:0.1/overall", "1:0.2/overall", "1>0"])],
    ),
    Published(
        "UltraInteract_pair",
        "paired",
        [
            {
                "task": "Math",
                "dataset": "gsm8k",
                "id": "1",
                "parent_id": "0",
                "trajectory": [human("Solve."), gpt("x"), human("Wrong.")],
                "chosen": "y",
                "rejected": "z",
            }
        ],
        [Read(["user: Solve.", "assistant: x", "user: Wrong."], ["y", "z"], FIRST)],
    ),
    same(
        "distilabel-capybara-dpo-7k-binarized",
        "h4",
        ["0>1", "0:5/overall", "1:2/overall"],
        source="x",
        conversation=[{"input": "Say hi.", "output": ""}],
        prompt="Say hi.",
        chosen=CHOSEN,
        rejected=REJECTED,
        rating_chosen=5,
        rating_rejected=2,
        chosen_model="x",
        rejected_model="y",
    ),
    Published(
        "distilabel generations",
        "distilabel",
        [
            {
                "instruction": "Say hi.",
                "generations": ["Hi!", None, "No."],
                "ratings": [5, None, 1],
                "generation_models": ["x", "y", "z"],
            }
        ],
        [Read(HI, TWO, ["0:5/overall", "1:1/overall"])],
    ),
    same(
        "distilabel FormatChatGenerationDPO",
        "trl_explicit",
        ["0>1", "0:5/overall", "1:1/overall"],
        prompt=[user("Say hi.")],
        prompt_id="ab",
        chosen=[assistant("Hi!")],
        rejected=[assistant("No.")],
        chosen_rating=5,
        rejected_rating=1,
    ),
    same(
        "distilabel-math-preference-dpo",
        "paired",
        ["0>1", "0:9/overall", "1:7/overall"],
        instruction="Say hi.",
        chosen_response="Hi!",
        rejected_response="No.",
        chosen_rating=9.0,
        rejected_rating=7.0,
        metadata="{}",
    ),
    Published(
        "Argilla 2 ranking export",
        "columns",
        [
            {
                "id": "1",
                "status": "completed",
                "instruction": "Say hi.",
                "response1": "Hi!",
                "response2": "No.",
                "preference.responses": ["response1", "response2", "tie"],
                "preference.responses.users": ["u1", "u2", "u3"],
                "preference.suggestion": "response1",
            }
        ],
        [
            Read(
                HI,
                TWO,
                [
                    *("0>1@preference.responses_1", "1>0@preference.responses_2"),
                    "0=1@preference.responses_3",
                ],
            )
        ],
    ),
    same(
        "reward-bench",
        "trl_explicit",
        prompt="Say hi.",
        chosen="Hi!",
        chosen_model="x",
        rejected="No.",
        rejected_model="y",
        subset="alpacaeval-easy",
        id=0,
    ),
    Published(
        "reward-bench-2",
        "reward_bench_2",
        [
            {
                "id": "1",
                "prompt": "Say hi.",
                "chosen": ["Hi!"],
                "rejected": ["No.", "Eh."],
                "num_correct": 1,
                "num_incorrect": 2,
                "total_completions": 3,
                "subset": "Focus",
            }
        ],
        [Read(HI, ["Hi!", "No.", "Eh."], ["0>1", "0>2"])],
    ),
    Published(
        "RM-Bench",
        "rm_bench",
        [{"id": 8, "prompt": "Say hi.", "chosen": ["Hi!", "Hi!!"], "rejected": ["No.", "No!"]}],
        [Read(HI, ["Hi!", "Hi!!", "No.", "No!"], ["0>2", "1>3"])],
    ),
    same(
        "RMB pairwise",
        "rmb_pairwise",
        pair_uid="1",
        conversation_input=[user("Say hi.")],
        chosen={"llm_name": "x", "answer": "Hi!"},
        reject={"llm_name": "y", "answer": "No."},
    ),
    same(
        "RMB best of N",
        "rmb_bon",
        bon_uid="1",
        conversation_input=[user("Say hi.")],
        bon_best={"llm_name": "x", "answer": "Hi!"},
        loser_list=[{"llm_name": "y", "answer": "No."}, None],
    ),
    same(
        "PandaLM test set",
        "pandalm",
        ["0>1@annotator1", "0=1@annotator2"],
        idx=0,
        cmp_key="a_b",
        instruction="Say hi.",
        input="",
        response1="Hi!",
        response2="No.",
        annotator1=1,
        annotator2=0,
    ),
    same("orca_dpo_pairs", "paired", system="", question="Say hi.", chosen="Hi!", rejected="No."),
    Published(
        "distilabel-intel-orca-dpo-pairs",
        "argilla_orca",
        [{**ARGILLA_ORCA, "status": "swapped"}, {**ARGILLA_ORCA, "status": "tie"}],
        [
            Read(
                ["system: Be kind.", *HI],
                TWO,
                [label, "0:9/overall@gpt-4", "1:3/overall@gpt-4"],
            )
            for label in ("0>1@gpt-4", "0=1@gpt-4")
        ],
    ),
    same(
        "OffsetBias",
        "compared",
        instruction="Say hi.",
        output_1="Hi!",
        output_2="No.",
        label=1,
        dataset="offsetbias",
    ),
    Published(
        "LLMBar",
        "compared",
        [{"input": "Say hi.", "output_1": "No.", "output_2": "Hi!", "label": 2}],
        [Read(HI, ["No.", "Hi!"], ["1>0"])],
    ),
    same(
        "AlpacaEval annotations",
        "alpaca_eval",
        ["0>1*0.5@gpt4"],
        instruction="Say hi.",
        output_1="Hi!",
        generator_1="x",
        output_2="No.",
        generator_2="y",
        annotator="gpt4",
        preference=1.25,
    ),
    Published(
        "AlpacaFarm human preferences",
        "alpaca_eval",
        [
            {
                "instruction": "Translate.",
                "input": "tree",
                "output_1": "stone",
                "output_2": "arbre",
                "preference": 2,
            }
        ],
        [Read(["user: Translate.\n\ntree"], ["stone", "arbre"], ["1>0*1"])],
    ),
    Published(
        "NeMo-RL preference",
        "nemo_rl",
        [
            {
                "context": [user("Say hi.")],
                "completions": [
                    {"rank": 1, "completion": [assistant("No.")]},
                    {"rank": 0, "completion": [assistant("Hi!")]},
                ],
                "task_name": "greet",
            }
        ],
        [Read(HI, ["No.", "Hi!"], ["0#2", "1#1"])],
    ),
    same("ms-swift rejected_response", "ms_swift", messages=CHOSEN, rejected_response="No."),
    same("ms-swift rejected_messages", "ms_swift", messages=CHOSEN, rejected_messages=REJECTED),
    Published(
        "ms-swift query-response",
        "paired",
        [
            {
                "system": "Be kind.",
                "query": "Say hi.",
                "response": "Hi!",
                "rejected_response": "No.",
                "history": [["Hm?", "Yes?"]],
            }
        ],
        [Read(["system: Be kind.", "user: Hm?", "assistant: Yes?", *HI], TWO, FIRST)],
    ),
    same(
        "torchtune preference",
        "trl_implicit",
        chosen_conversations=CHOSEN,
        rejected_conversations=REJECTED,
    ),
    Published(
        "LLaMA-Factory ShareGPT ranking",
        "sharegpt",
        [
            {
                "conversations": [human("Say hi.")],
                "chosen": gpt("Hi!"),
                "rejected": gpt("No."),
            }
        ],
        PAIR,
    ),
    Published(
        "LLaMA-Factory Alpaca ranking",
        "paired",
        [
            {
                "instruction": "Translate.",
                "input": "tree",
                "chosen": "arbre",
                "rejected": "stone",
                "system": "Be kind.",
                "history": [],
            }
        ],
        [Read(["system: Be kind.", "user: Translate.\n\ntree"], ["arbre", "stone"], FIRST)],
    ),
    same(
        "LLaMA-Factory Alpaca output list",
        "best_and_worst",
        instruction="Say hi.",
        input="",
        output=["Hi!", "No."],
    ),
    Published(
        "LLaMA-Factory KTO, ShareGPT",
        "sharegpt_unpaired",
        [{"messages": CHOSEN, "label": False}],
        [Read(HI, ["Hi!"], ["0:0/thumb"])],
    ),
    Published(
        "LLaMA-Factory KTO, Alpaca",
        "trl_unpaired",
        [{"instruction": "Say hi.", "input": "", "output": "Hi!", "kto_tag": True}],
        [Read(HI, ["Hi!"], ["0:1/thumb"])],
    ),
    Published(
        "axolotl chatml.intel",
        "paired",
        [{"system": "Be kind.", "question": "Say hi.", "chosen": "Hi!", "rejected": "No."}],
        [Read(["system: Be kind.", *HI], TWO, FIRST)],
    ),
    same(
        "axolotl prompt_pairs",
        "paired",
        prompt="Say hi.",
        chosen_response="Hi!",
        rejected_response="No.",
    ),
    Published(
        "axolotl chatml.icr",
        "paired",
        [{"system": "", "input": "Say hi.", "chosen": "Hi!", "rejected": "No."}],
        PAIR,
    ),
    Published(
        "axolotl conversation",
        "paired",
        [{"conversation": [user("Say hi.")], "chosen": "Hi!", "rejected": "No."}],
        PAIR,
    ),
    same(
        "axolotl chat_template.default",
        "paired",
        messages=[user("Say hi.")],
        chosen=assistant("Hi!"),
        rejected=assistant("No."),
    ),
    Published(
        "axolotl KTO",
        "trl_unpaired",
        [{"question": "Say hi.", "completion": "No.", "label": False}],
        [Read(HI, ["No."], ["0:0/thumb"])],
    ),
    same(
        "OpenAI DPO fine-tuning",
        "openai_dpo",
        input={"messages": [user("Say hi.")]},
        preferred_output=[assistant("Hi!")],
        non_preferred_output=[assistant("No.")],
    ),
    same("Code-Preference-Pairs", "paired", input="Say hi.", accepted="Hi!", rejected="No."),
    same(
        "preferred and dispreferred", "paired", query="Say hi.", preferred="Hi!", dispreferred="No."
    ),
    Published(
        "Preference-Collection",
        "preference_collection",
        [
            {
                "orig_instruction": "Say hi.",
                "orig_response_A": "No.",
                "orig_response_B": "Hi!",
                "orig_criteria": "Is it kind?",
                "orig_preference": "B",
                "orig_score_A": "2",
                "orig_score_B": "4",
                "instruction": "Judge ...",
                "input": "",
                "output": "B",
            }
        ],
        [Read(HI, ["No.", "Hi!"], ["1>0", "0:2/overall", "1:4/overall"])],
    ),
    Published(
        "FineGrained-RLHF QA",
        "finegrained",
        [
            {
                "question": "When?",
                "passages": [],
                **{f"prediction {i}": str(i) for i in range(1, 5)},
                "preference": [1, 0, 2, 1, 1, 1],
            }
        ],
        [
            Read(
                ["user: When?"],
                ["1", "2", "3", "4"],
                ["0>1", "0=2", "3>0", "1>2", "1>3", "2>3"],
            )
        ],
    ),
    Published(
        "LLMEval-2",
        "llmeval2",
        [{"llm_name": "m", "dialog": CHOSEN, "type": "B", "stars": {"Fluency": 3}}],
        [Read(HI, ["Hi!"], ["0:3/Fluency"])],
    ),
    Published(
        "JudgeBench",
        "columns",
        [
            {
                "pair_id": "1",
                "source": "mmlu",
                "question": "Say hi.",
                "response_A": "No.",
                "response_B": "Hi!",
                "label": "B>A",
            }
        ],
        [Read(HI, ["No.", "Hi!"], ["1>0"])],
    ),
    Published(
        "Auto-J pairwise",
        "columns",
        [
            {
                "prompt": "Say hi.",
                "response 1": "Hi!",
                "response 2": "No.",
                "label": 2,
                "scenario": "chat",
            }
        ],
        [Read(HI, TWO, ["0=1"])],
    ),
)

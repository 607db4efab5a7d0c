"""Generate the sample: a few hundred prompts in five layouts, with known defects.

    python data/generate.py

It writes the source files to ``data/sample/``, and the list of defects to ``planted.json``. Two
runs write the same bytes.
"""

import csv
import gzip
import io
import json
import random
from pathlib import Path
from typing import Any

from prefine.schema import Message, pair_id, prompt_id, response_id

OUT = Path(__file__).parent / "sample"
SEED = 20

THINGS = {
    "a glacier": "a slow river of ice that forms where more snow falls than melts",
    "photosynthesis": "the way plants turn light, water and carbon dioxide into sugar",
    "a haiku": "a three-line poem of five, seven and five syllables",
    "inflation": "a general rise of prices, so that money buys less than before",
    "a comet": "a small icy body that grows a bright tail when it comes near the sun",
    "an estuary": "the place where a river meets the sea and fresh water mixes with salt",
    "a catalyst": "a substance that speeds up a reaction without being used up",
    "osmosis": "the movement of water through a membrane toward the saltier side",
    "a fable": "a short tale, often with animals, that ends in a moral",
    "gravity": "the pull that masses have on each other",
    "a vaccine": "a harmless piece of a germ that teaches the body to fight it",
    "a monsoon": "a seasonal wind that brings months of heavy rain",
    "a mortgage": "a loan for a house that the house itself secures",
    "an algorithm": "a list of exact steps that solves a kind of problem",
    "a tide": "the rise and fall of the sea that the moon causes twice a day",
    "erosion": "the wearing away of land by water, wind and ice",
    "a metaphor": "a figure of speech that calls one thing by the name of another",
    "a prism": "a block of glass that splits white light into its colours",
    "yeast": "a tiny fungus that makes dough rise by giving off gas",
    "a constitution": "the basic law that says how a country is governed",
    "an eclipse": "the moment when one body in the sky moves into another's shadow",
    "a satellite": "a body that circles a planet, natural or made by people",
    "a fjord": "a deep and narrow inlet that a glacier carved",
    "an alloy": "a mixture of a metal with at least one other element",
    "hibernation": "a long winter sleep in which an animal lives on its fat",
    "a sonnet": "a poem of fourteen lines with a fixed rhyme scheme",
    "humidity": "the amount of water vapour that the air holds",
    "a census": "an official count of all the people in a country",
    "a neutron": "a particle without charge in the core of an atom",
    "compost": "rotted plants and kitchen scraps that feed the soil",
    "a delta": "flat land that a river builds from mud at its mouth",
    "a lever": "a bar on a pivot that turns a small force into a large one",
    "migration": "the regular journey of animals between two homes",
    "a symphony": "a long piece for orchestra, usually in four movements",
    "a subsidy": "money that a government pays to keep a price low",
    "a reef": "a ridge of coral or rock just below the surface of the sea",
}

TASKS = {
    "sharpen a kitchen knife": (
        "soak the whetstone",
        "draw the edge along it at a low angle",
        "wipe the blade and test it on paper",
    ),
    "repot a house plant": (
        "water the plant an hour before",
        "lift it out and loosen the roots",
        "set it in fresh soil and press gently",
    ),
    "fix a flat bicycle tyre": (
        "take the wheel off and pull out the tube",
        "find the hole under water and patch it",
        "refit the tube and pump it up",
    ),
    "bake a loaf of bread": (
        "mix flour, water, salt and yeast",
        "let the dough rise until it doubles",
        "bake it hot for about forty minutes",
    ),
    "prepare for a job interview": (
        "read about the company",
        "practise answers to common questions aloud",
        "write down two questions of your own",
    ),
    "remove a coffee stain": (
        "blot the stain at once",
        "dab it with cold water and a little vinegar",
        "wash the cloth as usual",
    ),
    "learn a poem by heart": (
        "read it aloud several times",
        "cover one line after the other",
        "say it again the next morning",
    ),
    "start a vegetable garden": (
        "choose a sunny spot",
        "dig compost into the soil",
        "begin with radishes and beans",
    ),
    "write a thank-you letter": (
        "name the gift or the favour",
        "say what you will do with it",
        "close with a wish for the other person",
    ),
    "save money on groceries": (
        "plan the meals of the week",
        "write a list and keep to it",
        "compare prices by weight",
    ),
    "paint a wooden chair": (
        "sand the old surface",
        "brush on a thin primer",
        "add two coats and let each one dry",
    ),
    "back up a laptop": (
        "connect an external drive",
        "copy your folders to it",
        "open a few files there to be sure",
    ),
    "calm a barking dog": (
        "find out what upsets it",
        "speak quietly and turn it away",
        "reward it when it is silent",
    ),
    "boil an egg": (
        "bring water to a gentle boil",
        "lower the egg in with a spoon",
        "take it out after six to ten minutes",
    ),
    "read a map": (
        "turn it so that north is ahead",
        "find where you stand",
        "follow one landmark after the other",
    ),
    "tie a bowline knot": (
        "make a small loop",
        "pass the end up through it and round the rope",
        "bring it back down and pull tight",
    ),
}

ASKS_THING = ("What is {}?", "Explain {} in one sentence.", "How would you describe {} to a child?")
ASKS_TASK = ("How do I {}?", "Give me three steps to {}.")
GOOD_THING = (
    "It is {}. I can give you an example if you like.",
    "In short, it is {}.",
    "Put simply: {}. That is the whole idea.",
)
GOOD_TASK = (
    "First {}, then {}, and finally {}. Take your time with each step.",
    "Here is how: {}; after that {}; at the end {}.",
)
BAD = (
    "I do not know and I do not care. Look it up yourself.",
    "That is a boring question, ask somebody else about it.",
    "Whatever. People worry too much about things like that, honestly.",
    "No idea, maybe it is something with computers or so.",
    "You should know that already, everybody does, so I will not say it again.",
    "I am busy now. Why would anyone want to know such a thing?",
    "Stuff like that is pointless, and so is your question.",
)
LAZY = ("ok", "no", "?")

Row = dict[str, Any]


def main() -> None:
    """Write the sample and the list of its defects."""
    rng = random.Random(SEED)
    pairs = _pairs(rng)
    rng.shuffle(pairs)
    plan = {
        "trl": pairs[:150],
        "hh": pairs[150:210],
        "votes": pairs[210:250],
        "arena": pairs[250:280],
    }
    rated = pairs[280:]
    planted: Row = {"quarantine": {}, "flipped": [], "decoys": []}
    OUT.mkdir(exist_ok=True)
    _write_trl(plan["trl"], rng, planted)
    _write_hh(plan["hh"], plan["trl"], planted)
    _write_votes(plan["votes"], planted)
    _write_arena(plan["arena"], planted)
    _write_rated(rated, rng, planted)
    text = json.dumps(planted, indent=1, sort_keys=True, ensure_ascii=False)
    (OUT / "planted.json").write_text(text + "\n", encoding="utf-8")


def _pairs(rng: random.Random) -> list[Row]:
    """Return prompts, each with a good and a bad response."""
    pairs: list[Row] = []
    for thing, meaning in THINGS.items():
        for ask in ASKS_THING:
            good = rng.choice(GOOD_THING).format(meaning)
            pairs.append({"prompt": ask.format(thing), "good": good, "kind": "thing"})
    for task, steps in TASKS.items():
        for ask in ASKS_TASK:
            good = rng.choice(GOOD_TASK).format(*steps)
            pairs.append({"prompt": ask.format(task), "good": good, "kind": "task"})
    for _ in range(180):
        a, b = rng.randint(12, 99), rng.randint(3, 29)
        good = f"{a} times {b} is {a * b}. You can check it as {a} times {b - 1} plus {a}."
        pairs.append({"prompt": f"What is {a} times {b}?", "good": good, "kind": "sum"})
    unique = list({pair["prompt"]: pair for pair in pairs}.values())
    for number, pair in enumerate(unique):
        pair["bad"] = f"{BAD[number % len(BAD)]} ({pair['prompt'].rstrip('?.')}, really.)"
    return unique


def _ids(prompt: str, first: str, second: str) -> str:
    text_id = prompt_id([Message(role="user", content=prompt)])
    sides = [response_id(text_id, [Message(role="assistant", content=t)]) for t in (first, second)]
    return pair_id(*sides)


def _explicit(prompt: str, chosen: Any, rejected: Any) -> Row:
    def turn(role: str, content: Any) -> list[Row]:
        return [{"role": role, "content": content}]

    sides = {"chosen": turn("assistant", chosen), "rejected": turn("assistant", rejected)}
    return {"prompt": turn("user", prompt), **sides, "source": "made"}


def _write_trl(pairs: list[Row], rng: random.Random, planted: Row) -> None:
    """Write TRL's explicit layout, with most of the defects."""
    rows = [_explicit(p["prompt"], p["good"], p["bad"]) for p in pairs]
    for index in range(20):
        row, p = rows[index], pairs[index]
        row["chosen"], row["rejected"] = row["rejected"], row["chosen"]
        planted["flipped"].append(_ids(p["prompt"], p["good"], p["bad"]))
    rows += [dict(rows[i]) for i in range(30, 42)]
    planted["duplicates"] = 12
    rows += [_explicit(p["prompt"], p["bad"], p["good"]) for p in pairs[45:53]]
    planted["contradictions"] = [_ids(p["prompt"], p["good"], p["bad"]) for p in pairs[45:53]]
    identical = [
        f"What is {word} in French?" for word in ("bread", "snow", "window", "bridge", "salt")
    ]
    rows += [_explicit(prompt, "I am not sure.", "I am not sure.") for prompt in identical]
    planted["identical"] = [_ids(p, "I am not sure.", "I am not sure.") for p in identical]
    empty = [f"Name a river in {land}." for land in ("Peru", "Kenya", "Norway", "Laos")]
    rows += [_explicit(prompt, "There are several.", "") for prompt in empty]
    planted["empty"] = [_ids(prompt, "There are several.", "") for prompt in empty]
    lazy = [f"Which colour has a {fruit}?" for fruit in ("lemon", "plum", "kiwi")]
    rows += [
        _explicit(prompt, answer, "Colours do not matter to me at all.")
        for prompt, answer in zip(lazy, LAZY, strict=True)
    ]
    planted["too_short"] = [
        _ids(prompt, answer, "Colours do not matter to me at all.")
        for prompt, answer in zip(lazy, LAZY, strict=True)
    ]
    rows += _near(planted)
    rng.shuffle(rows)
    lines = [json.dumps(row, ensure_ascii=False).encode() for row in rows]
    lines += _broken(planted, "pairs.jsonl", len(lines))
    (OUT / "pairs.jsonl").write_bytes(b"\n".join(lines) + b"\n")


def _near(planted: Row) -> list[Row]:
    """Return near-duplicate prompts, and short prompts that only look similar."""
    rows: list[Row] = []
    planted["near"] = []
    for name in ("lamp", "kettle", "radio", "fan", "heater"):
        question = (
            f"My {name} stopped working after the storm last night, what should I check before "
        )
        first = f"{question}I call somebody?"
        other = f"{question.lower().replace(',', ':')}I call anyone"
        for prompt, good in (
            (first, f"Check the plug, the fuse and the cable of the {name}, in this order."),
            (other, f"Try another socket first, then look at the fuse of the {name}."),
        ):
            rows.append(_explicit(prompt, good, BAD[0]))
        planted["near"].append(
            sorted(prompt_id([Message(role="user", content=p)]) for p in (first, other))
        )
    for prompt in ("Good morning", "Good evening", "Thank you", "Thank them"):
        rows.append(_explicit(prompt, "That is kind, how can I help you today?", BAD[1]))
        planted["decoys"].append(prompt_id([Message(role="user", content=prompt)]))
    return rows


def _broken(planted: Row, name: str, start: int) -> list[bytes]:
    """Return rows that cannot be read, each for another reason."""
    whole = _explicit("Where is the moon?", "In the sky.", "Nowhere.")
    wrong_role = json.loads(json.dumps(whole))
    wrong_role["prompt"][0]["role"] = "narrator"
    picture = _explicit("What is this?", [{"type": "image", "image": "x"}], "A cat.")
    broken = {
        "not_json": b'{"prompt": [{"role": "user", "content": "cut off',
        "invalid_utf8": json.dumps(whole).encode().replace(b"sky", b"sk\xff"),
        "not_an_object": b"[1, 2, 3]",
        "row_too_large": json.dumps(_explicit("Say much.", "word " * 9000, "no")).encode(),
        "unknown_role": json.dumps(wrong_role).encode(),
        "not_text_content": json.dumps(picture).encode(),
        "response_missing": json.dumps({**whole, "rejected": None}).encode(),
        "prompt_empty": json.dumps({**whole, "prompt": "   "}).encode(),
    }
    rows = {str(start + i): reason for i, reason in enumerate(broken, 1)}
    planted["quarantine"][name] = rows
    return list(broken.values())


def _write_hh(pairs: list[Row], known: list[Row], planted: Row) -> None:
    """Write transcripts; some pairs are copies from the first file, and two diverge early."""

    def both(prompt: str, good: str, bad: str) -> Row:
        start = f"\n\nHuman: {prompt}\n\nAssistant: "
        return {"chosen": start + good, "rejected": start + bad}

    rows = [both(p["prompt"], p["good"], p["bad"]) for p in pairs]
    copies = known[60:66]
    rows += [both(p["prompt"], p["good"], p["bad"]) for p in copies]
    planted["copies"] = [_ids(p["prompt"], p["good"], p["bad"]) for p in copies]
    early = both("Tell me about bees.", "They live in hives.", "They sting.")
    for turn in ("What do they eat?", "How long do they live?"):
        follow_up = f"\n\nHuman: {turn}\n\nAssistant: "
        chosen = f"{early['chosen']}{follow_up}Let me explain that gladly."
        rows.append({"chosen": chosen, "rejected": f"{early['rejected']}{follow_up}{BAD[2]}"})
    planted["context_mismatch"] = 2
    rows.append({"chosen": "no marks at all", "rejected": "\n\nHuman: Hi\n\nAssistant: Hello"})
    planted["quarantine"]["transcripts.jsonl.gz"] = {str(len(rows)): "not_a_transcript"}
    body = "".join(json.dumps(row) + "\n" for row in rows).encode()
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as stream:
        stream.write(body)
    (OUT / "transcripts.jsonl.gz").write_bytes(packed.getvalue())


def _write_votes(pairs: list[Row], planted: Row) -> None:
    """Write HelpSteer3's layout: signed strengths of three annotators, some of them ties."""
    rows: list[Row] = []
    for index, pair in enumerate(pairs):
        strength = -2 if index % 8 else 0
        scores = [-3, -2, -1] if strength else [-1, 0, 1]
        rows.append(
            {
                "domain": "general",
                "language": "english",
                "context": [{"role": "user", "content": pair["prompt"]}],
                "response1": pair["good"],
                "response2": pair["bad"],
                "overall_preference": strength,
                "individual_preference": [{"score": score} for score in scores],
            }
        )
    planted["ties"] = sum(row["overall_preference"] == 0 for row in rows)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (OUT / "votes.jsonl").write_text(text, encoding="utf-8")


def _write_arena(pairs: list[Row], planted: Row) -> None:
    """Write the arena's CSV layout: turns as JSON in cells, one-hot winners."""
    head = ["id", "model_a", "model_b", "prompt", "response_a", "response_b"]
    head += ["winner_model_a", "winner_model_b", "winner_tie"]
    with (OUT / "arena.csv").open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(head)
        for index, pair in enumerate(pairs):
            winner = [0, 0, 1] if index % 10 == 0 else ([1, 0, 0] if index % 2 else [0, 1, 0])
            good, bad = json.dumps([pair["good"]]), json.dumps([pair["bad"]])
            sides = [good, bad] if index % 2 else [bad, good]
            cell = json.dumps([pair["prompt"]])
            table.writerow([index, "alpha", "beta", cell, *sides, *winner])
        table.writerow(["cut", "alpha"])
        cell = json.dumps(["Which day is it?"])
        answers = [json.dumps(["Monday."]), json.dumps(["No day."])]
        table.writerow(["odd", "alpha", "beta", cell, *answers, 1, 1, 0])
    planted["arena_ties"] = len(range(0, len(pairs), 10))
    rows = {str(len(pairs) + 1): "wrong_columns", str(len(pairs) + 2): "unknown_label"}
    planted["quarantine"]["arena.csv"] = rows


def _write_rated(pairs: list[Row], rng: random.Random, planted: Row) -> None:
    """Write distilabel's layout: three rated generations per prompt, one of them null."""
    rows: list[Row] = []
    for index, pair in enumerate(pairs):
        middling = f"Perhaps this helps a little: {pair['good'].split('.')[0]}."
        ratings = [5, 3, 1] if index % 7 else [5, None, 1]
        items = list(zip([pair["good"], middling, pair["bad"]], ratings, strict=True))
        rng.shuffle(items)
        rows.append(
            {
                "instruction": pair["prompt"],
                "generations": [text for text, _ in items],
                "generation_models": ["m1", "m2", "m3"],
                "ratings": [rating for _, rating in items],
                "model_name": "made-judge",
            }
        )
    planted["rated_prompts"] = len(rows)
    planted["null_ratings"] = sum(None in row["ratings"] for row in rows)
    text = json.dumps(rows, indent=1, ensure_ascii=False)
    (OUT / "rated.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

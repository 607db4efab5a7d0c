"""Recall of contamination and of published rules on benchmark items planted in many forms.

    python tests/bench/contamination.py [--data ../shared/data] [--json FILE]
    python tests/bench/contamination.py --speed [--rows 50000] [--items 10000]

Items are real ones; each form is planted by code, so that the table can be made again. ``Tulu 3``,
``13-gram`` and ``8-gram`` are the published rules written out here, on words between blanks; the
other columns are rules over the columns of the measure. The second table has real texts that
contain no item on purpose: HH-RLHF against items of alpaca_eval, LLMBar and Vicuna. The third has
items of fewer than 8 words in texts of seven data sets, by ``min_words``.
"""

import argparse
import gzip
import json
import lzma
import random
import re
import string
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from planted import Maker
from report import machine, print_table, write_json

from prefine.measure.contamination.items import build_items
from prefine.measure.contamination.matches import METRICS, find_matches, split_turns

DATA = Path(__file__).parents[2] / "../shared/data"
COUNT = 50
"""Plants of each kind, as far as there are items."""
NGRAM = 8
COMMON_RATIO = 0.05
BEFORE = "I was asked this question by a colleague at work today, and I could not answer it. "
BEHIND = " Please take your time and think about it carefully before you give me the answer."
OPEN, CLOSE = "Please answer: ", " Thanks"
ZH = ("老师今天在课堂上给我们出了一道题目。", "请你仔细想一想再回答我的问题。")
KO = (
    "오늘 선생님께서 우리에게 이런 문제를 내 주셨는데 잘 모르겠어요. ",
    " 천천히 생각해 보고 알려 줘.",
)
COMMON = (
    *("What do you think?", "How are you today?", "What does it mean?", "How does it work?"),
    *("What can I do?", "Thank you very much!", "What is the difference?", "Do you want to know?"),
    *("What is going on?", "I do not know.", "Is there a way?", "What should I do?"),
    *("Why would you do that?", "Can you help me?", "What is your name?", "Tell me more about it."),
    *("Are you sure about that?", "How much does it cost?", "Where can I find it?"),
    "What are some good examples?",
)
"""Items of four to six words that people say all the time."""
OTHERS = (
    *("autoj_pairwise", "dsp_domain", "finegrained_rlhf_qa", "hh_rlhf_harmless", "judgebench"),
    *("pandalm_test", "rmb"),
)
"""Data sets with texts of many kinds."""
TOPICS = (
    *("volcanoes", "the French Revolution", "cell biology", "inflation", "black holes", "opera"),
    *("photosynthesis", "the Roman Senate", "contract law", "vaccines", "glaciers", "haiku"),
    *("plate tectonics", "the stock market", "jazz", "DNA", "the Cold War", "game theory"),
    *("antibiotics", "renewable energy"),
)
Turns = list[dict[str, str]]


class Kind(NamedTuple):
    """Texts of one kind, each with the item that it is made of."""

    name: str
    items: list[tuple[str, str | None]]
    """Question and answer of each item."""
    texts: list[Turns]
    leaks: bool = True


def rows_of(path: Path) -> list[Any]:
    """Return the rows of a JSON or JSONL file, compressed or not."""
    opened: Callable[..., Any] = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix, open)
    with opened(path, "rt", encoding="utf-8") as stream:
        text = stream.read()
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return [json.loads(line) for line in text.splitlines() if line.strip()]


class Source:
    """Items of the benchmarks in a folder."""

    def __init__(self, data: Path) -> None:
        alpaca = "alpaca_eval/claude/weighted_alpaca_eval_gpt4_turbo/annotations.json.xz"
        self.alpaca = _distinct(row["instruction"] for row in rows_of(data / alpaca))
        vicuna = rows_of(data / "vicuna_blog_eval/question.jsonl")
        self.vicuna = _distinct(row["text"] for row in vicuna)
        found = (data / "llmbar").rglob("dataset.json*")
        self.llmbar = _distinct(row["input"] for path in sorted(found) for row in rows_of(path))
        korean = rows_of(data / "korean_mt_bench_ko/questions.jsonl.xz")
        self.korean = _distinct(row["turns"][0] for row in korean)
        zh = sorted((data / "llmeval2_zh/human-score").glob("*_data.json.xz"))
        self.chinese = _distinct(
            row["dialog"][0]["content"] for path in zh for row in rows_of(path)
        )
        judge = rows_of(next((data / "judgebench").glob("*.jsonl.gz")))
        self.quizzes = _distinct(
            row["question"].split("\nIf you cannot determine")[0].strip()
            for row in judge
            if len(re.findall(r"^\([A-J]\) ", row["question"], re.MULTILINE)) >= 4
        )
        code = rows_of(data / "rm_bench/code_filtered.json.gz")
        self.code = [row["prompt"] for row in code if row["language"] == "python"]
        hh = rows_of(data / "hh_rlhf_harmless/harmless-base/test.jsonl.gz")
        self.hh = [(row["chosen"], row["rejected"]) for row in hh]


def _distinct(texts: Any) -> list[str]:
    return list(dict.fromkeys(text for text in texts if text.strip()))


def user(text: str) -> Turns:
    return [{"role": "user", "content": text}]


def turns(*texts: str) -> Turns:
    """Return alternating turns of a user and an assistant."""
    names = ("user", "assistant")
    return [{"role": names[n % 2], "content": text} for n, text in enumerate(texts)]


def size_of(text: str) -> int:
    return len(text.split())


def halves(text: str, share: float = 0.5) -> tuple[str, str]:
    words = text.split()
    cut = max(1, round(len(words) * share))
    return " ".join(words[:cut]), " ".join(words[cut:])


def changed(text: str, rng: random.Random, others: list[str], step: int) -> str:
    """Return a text with one word in ``step`` replaced by a word of other texts."""
    words = text.split()
    for place in range(step - 1, len(words), step):
        words[place] = rng.choice(rng.choice(others).split())
    return " ".join(words)


def emphasised(text: str) -> str:
    """Return a text in quotes, every third word of it in bold."""
    words = (f"**{word}**" if n % 3 == 0 else word for n, word in enumerate(text.split()))
    return f"\u201c{' '.join(words)}\u201d"


def full_width(text: str) -> str:
    wide = {ord(c): ord(c) + 0xFEE0 for c in string.printable if "!" <= c <= "~"}
    return text.translate(wide)


def mixed(text: str, rng: random.Random) -> str:
    """Return a question with its options in another order, under the labels in order."""
    stem, *options = re.split(r"^\([A-J]\) ", text, flags=re.MULTILINE)
    options = [option.strip() for option in options]
    order = options[:]
    while order == options:
        rng.shuffle(order)
    lines = [f"{label}. {option}" for label, option in zip("ABCDEFGHIJ", order, strict=False)]
    return stem + "\n".join(lines)


def stem_of(text: str) -> str:
    return re.split(r"^\([A-J]\) ", text, maxsplit=1, flags=re.MULTILINE)[0].strip()


def function_of(prompt: str) -> tuple[str, str] | None:
    """Return the signature and the docstring of a coding prompt."""
    found = re.match(r"Write a Python function `(.+?)` to solve .*?:\n(.+)", prompt, re.DOTALL)
    return (found[1], found[2].strip()) if found else None


def renamed(signature: str) -> str:
    """Return a signature with other names."""
    name, inside = signature.split("(", 1)
    taken = iter(("first", "second", "third", "fourth", "fifth"))
    arguments = re.sub(r"\b\w+\b(?=\s*[:,)=])", lambda _: next(taken, "more"), inside)
    return f"solution_{len(name)}({arguments}"


def kinds(source: Source) -> list[Kind]:
    """Return what is planted."""
    rng = random.Random(0)
    long = [text for text in source.alpaca if 12 <= size_of(text) <= 80 and "\n" not in text]
    short = [text for text in source.alpaca if 4 <= size_of(text) <= 7]
    middle = [text for text in source.alpaca if 24 <= size_of(text) <= 120 and "\n" not in text]
    long, short, middle = long[:COUNT], short[:COUNT], middle[:COUNT]
    zh, ko = source.chinese[:COUNT], source.korean[:COUNT]
    quizzes = [text for text in source.quizzes if size_of(text) < 150][:COUNT]
    functions = [found for prompt in source.code if (found := function_of(prompt))][:COUNT]
    code = [f'def {signature}:\n    """{about}\n    """' for signature, about in functions]
    told = [about.split(">>>")[0].strip() for _, about in functions]
    other = [
        f'def {renamed(signature)}:\n    """{about}\n    """' for signature, about in functions
    ]
    passages = [f"{' '.join(m)}\n{q}" for m, q in zip(_passages(source), long, strict=False)]
    answers = [" ".join(text.split()[:60]) for text in source.llmbar if size_of(text) > 20][:COUNT]

    def same(name: str, texts: list[str], make: Callable[[str], Turns], **more: Any) -> Kind:
        return Kind(name, [(text, None) for text in texts], [make(text) for text in texts], **more)

    def made(name: str, texts: list[str], plants: list[str], **more: Any) -> Kind:
        return Kind(name, [(text, None) for text in texts], [user(p) for p in plants], **more)

    slices = [" ".join(words) for words in _passages(source)]
    stems = [
        f"Which of the following statements about {t} is most likely to be true?" for t in TOPICS
    ]
    asked = [_quiz(stem, words) for stem, words in zip(stems, slices, strict=False)]
    others = [_quiz(stem, words) for stem, words in zip(stems, slices[len(stems) :], strict=False)]
    return [
        same("verbatim, 12 words and more", long, user),
        same("verbatim, 4 to 7 words", short, user),
        same("in a frame, 12 words and more", long, lambda t: user(BEFORE + t + BEHIND)),
        same("in a frame, 4 to 7 words", short, lambda t: user(OPEN + t + CLOSE)),
        same("in a frame, Chinese", zh, lambda t: user(ZH[0] + t + ZH[1])),
        same("in a frame, Korean", ko, lambda t: user(KO[0] + t + KO[1])),
        same("full width", long, lambda t: user(full_width(t))),
        same("unseen characters", long, lambda t: user("\u200b".join(t).replace(" ", " \u202e"))),
        same("emphasis and quotes", long, lambda t: user(emphasised(t))),
        same("options in another order", quizzes, lambda t: user(mixed(t, rng))),
        same("options cut off", quizzes, lambda t: user(stem_of(t))),
        made("code, names changed", code, other),
        made("code, docstring alone", code, told),
        same("first half", middle, lambda t: user(halves(t)[0])),
        made("question of a passage", passages, long[: len(passages)]),
        same("split over two turns", middle, lambda t: turns(halves(t)[0], "Go on.", halves(t)[1])),
        same("in a system prompt", long, lambda t: [{"role": "system", "content": t}, *user("Hi")]),
        same("in the history", long, lambda t: turns("Hi", f"Try this: {t}", "Thank you!")),
        same("in a response", long, lambda t: [{"role": "assistant", "content": f"Sure! {t}"}]),
        Kind(
            "answer in a response",
            [(question, answer) for question, answer in zip(long, answers, strict=False)],
            [[{"role": "assistant", "content": f"Sure! {answer} I hope."}] for answer in answers],
        ),
        same("one word in twelve replaced", middle, lambda t: user(changed(t, rng, long, 12))),
        same("one word in six replaced", middle, lambda t: user(changed(t, rng, long, 6))),
        same("one word more", long, lambda t: user(" never ".join(halves(t))), leaks=False),
        made(
            "same first 40 %, other end",
            middle,
            [f"{halves(t, 0.4)[0]} {end}" for t, end in zip(middle, slices[::-1], strict=True)],
            leaks=False,
        ),
        made("same question, other options", asked, others, leaks=False),
    ]


def _quiz(stem: str, words: str) -> str:
    told = words.split()
    options = (" ".join(told[n * 8 : n * 8 + 8]) for n in range(4))
    return "\n".join(
        [stem, *(f"({c}) {option}" for c, option in zip("ABCD", options, strict=True))]
    )


def _passages(source: Source) -> list[list[str]]:
    words = " ".join(source.llmbar).split()
    return [words[start : start + 150] for start in range(0, 150 * COUNT, 150)]


def found_by_columns(kind: Kind) -> list[dict[str, Any]]:
    """Return the largest value of each column for each text, over the items of its kind."""
    questions, answers = zip(*kind.items, strict=True)
    return columns_of([benchmark([*questions], [*answers])], kind.texts)


def benchmark(questions: list[str], answers: list[str | None] | None = None) -> pl.DataFrame:
    """Return questions and answers as the table of a benchmark."""
    rows = {
        "example_id": questions,
        "text": questions,
        "answer": answers or [None] * len(questions),
    }
    return pl.DataFrame(rows, schema=dict.fromkeys(rows, pl.String))


def columns_of(
    known: list[pl.DataFrame], texts: list[Turns], min_words: int = 4
) -> list[dict[str, Any]]:
    """Return the columns of the measure for each text, and the text of its item."""
    items = build_items(known, NGRAM, min_words, COMMON_RATIO)
    asked = pl.col("role").is_in(["user", "assistant"])
    messages = pl.DataFrame({"messages": texts})
    blocks = [find_matches(block, items, NGRAM) for block in split_turns(messages, asked)]
    matches = pl.concat(blocks).sort("overlap", "longest_run", descending=True)
    best = matches.group_by("place", maintain_order=True).agg(
        *(pl.col(name).max() for name in METRICS), pl.col("by", "example_id").first()
    )
    rows = pl.DataFrame({"place": range(len(texts))}).join(
        best, on="place", how="left", maintain_order="left"
    )
    return rows.with_columns(pl.col(METRICS).fill_null(0)).to_dicts()


COLUMNS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "overlap > .5": lambda row: row["overlap"] > 0.5,
    "parts > .8": lambda row: row["parts"] > 0.8,
    "either": lambda row: row["overlap"] > 0.5 or row["parts"] > 0.8,
    "covered > .5": lambda row: row["covered"] > 0.5,
    "run >= 13": lambda row: row["longest_run"] >= 13,
    "run >= 8": lambda row: row["longest_run"] >= 8,
}


def grams(text: str, size: int, *, bare: bool = False) -> list[tuple[str, ...]]:
    """Return the runs of words between blanks, in lower case; ``bare`` leaves out punctuation."""
    text = text.lower()
    if bare:
        text = text.translate(str.maketrans("", "", string.punctuation))
    words = text.split()
    return [tuple(words[n : n + size]) for n in range(len(words) - size + 1)]


def tulu(text: str, item: str) -> bool:
    """Return whether more than half of an item's words are in runs of 8 words of the text."""
    there = set(grams(text, 8))
    words = [False] * size_of(item)
    for start, gram in enumerate(grams(item, 8)):
        if gram in there:
            words[start : start + 8] = [True] * 8
    return sum(words) > 0.5 * len(words)


def any_of(size: int, *, bare: bool) -> Callable[[str, str], bool]:
    """Return the rule that any run of an item occurs in a text."""
    return lambda text, item: (
        not set(grams(text, size, bare=bare)).isdisjoint(grams(item, size, bare=bare))
    )


PUBLISHED = {
    "Tulu 3": tulu,
    "13-gram": any_of(13, bare=True),
    "8-gram": any_of(8, bare=False),
}


def found_by_rules(kind: Kind) -> dict[str, int]:
    """Return how many texts of a kind each published rule finds, each by its own item."""
    counts = dict.fromkeys(PUBLISHED, 0)
    for turns_, (question, answer) in zip(kind.texts, kind.items, strict=True):
        text = "\n\n".join(turn["content"] for turn in turns_)
        for name, rule in PUBLISHED.items():
            texts = [question] if answer is None else [question, answer]
            counts[name] += any(rule(text, item) for item in texts)
    return counts


def table(source: Source) -> list[dict[str, Any]]:
    """Return how many of each kind every rule finds."""
    rows: list[dict[str, Any]] = []
    for kind in kinds(source):
        count = min(len(kind.items), len(kind.texts))
        whole = kind._replace(items=kind.items[:count], texts=kind.texts[:count])
        columns = found_by_columns(whole)
        found = {name: sum(map(rule, columns)) for name, rule in COLUMNS.items()}
        of = {"kind": kind.name, "leaks": "yes" if kind.leaks else "no", "texts": count}
        rows.append(of | found | found_by_rules(whole))
    return rows


def hits(source: Source) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what real texts share with real items: counts by rule, and the hits of short items."""
    known = [benchmark(items) for items in (source.alpaca, source.llmbar, source.vicuna)]
    prompts: dict[str, Turns] = {}
    replies: dict[tuple[str, str], Turns] = {}
    for sides in source.hh:
        for side in sides:
            head, _, reply = side.rpartition("\n\nAssistant:")
            spoken = re.split(r"\n\n(?:Human|Assistant):", head)[1:]
            prompts[head] = turns(*(text.strip() for text in spoken))
            replies[head, reply] = [{"role": "assistant", "content": reply.strip()}]
    counts: list[dict[str, Any]] = []
    shown: list[dict[str, Any]] = []
    for name, texts in (("prompts", [*prompts.values()]), ("responses", [*replies.values()])):
        rows = columns_of(known, texts)
        found = {rule: sum(map(test, rows)) for rule, test in COLUMNS.items()}
        found["short items"] = sum(row["by"] == "whole" for row in rows)
        phrases = columns_of([benchmark([*COMMON])], texts)
        found["common phrases"] = sum(row["by"] == "whole" for row in phrases)
        counts.append({"HH": name, "texts": len(texts), **found})
        for row in rows:
            if row["longest_run"] >= NGRAM or row["parts"] > 0.5:
                text = texts[row["place"]][-1]["content"]
                shown.append({"in": name, **row, "text": text})
    return counts, shown


def floors(source: Source, data: Path) -> list[dict[str, Any]]:
    """Return how many texts of several data sets have a short item inside, by ``min_words``."""
    items = _distinct([*source.alpaca, *source.llmbar, *source.vicuna])
    known = [text for text in items if size_of(text) < NGRAM]
    paths = [path for name in OTHERS for path in sorted((data / name).rglob("*.json*"))]
    texts = _distinct(text for path in paths for text in strings(rows_of(path)))
    rows: list[dict[str, Any]] = []
    for floor in (2, 3, 4):
        found = columns_of([benchmark(known)], [user(text) for text in texts], floor)
        hit = [row["example_id"] for row in found if row["by"] == "whole"]
        most = max(sorted(set(hit)), key=hit.count)
        named = {"most frequent": most, "times": hit.count(most)}
        counts = {"items": len(known), "texts": len(texts), "inside": len(hit)}
        rows.append({"min_words": floor} | counts | named)
    return rows


def strings(value: Any) -> Iterator[str]:
    """Yield the texts of a parsed row."""
    if isinstance(value, str) and len(value) > 15:
        yield value
    elif isinstance(value, dict):
        yield from strings([*value.values()])
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def speed(rows: int, items: int) -> list[dict[str, Any]]:
    """Measure made prompts and responses against made items, a twentieth of which is planted."""
    maker = Maker(0)
    texts = [maker.text() for _ in range(rows)]
    known = [maker.text() for _ in range(items * 19 // 20)]
    known += maker.rng.sample(texts, items - len(known))
    messages = pl.DataFrame({"messages": [user(text) for text in texts]})
    measured: list[dict[str, Any]] = []
    start, cpu = time.perf_counter(), time.process_time()
    cut = build_items([benchmark(known)], NGRAM, 4, COMMON_RATIO)
    measured.append(_timed("cut items", items, start, cpu))
    for share in (1, 2):
        start, cpu = time.perf_counter(), time.process_time()
        part = messages.head(rows * share // 2)
        for block in split_turns(part, pl.lit(value=True)):
            find_matches(block, cut, NGRAM)
        measured.append(_timed("compare texts", part.height, start, cpu))
    return measured


def _timed(what: str, count: int, start: float, cpu: float) -> dict[str, Any]:
    seconds = {"seconds": time.perf_counter() - start, "CPU s": time.process_time() - cpu}
    return {"what": what, "count": count, **seconds}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--show", action="store_true", help="print what was found in real texts")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    if asked.speed:
        found: dict[str, Any] = {"speed": speed(asked.rows, asked.items)}
    else:
        source = Source(asked.data)
        counts, shown = hits(source)
        found = {"plants": table(source), "real": counts, "floors": floors(source, asked.data)}
        if asked.show:
            for row in shown:
                sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
    for rows in found.values():
        print_table(rows)
    if asked.json:
        write_json(asked.json, machine() | found)


if __name__ == "__main__":
    main()

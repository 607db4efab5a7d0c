"""Prompts with copies of many kinds planted, and prompts that only look like copies.

Rows and the truth about them come in the form of the near-duplicate bench: one row a prompt, one
group for what is the same.
"""

import json
import random
import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from pydoc_data import topics

NOTE = (
    "Please think about it step by step, keep the answer short and friendly, and write it in the "
    "language of the question."
)
ASKED = (
    (
        "Explain to a curious child what {} means and why it matters in everyday life.",
        "Erkläre einem neugierigen Kind, was {} bedeutet und warum es im Alltag wichtig ist.",
    ),
    (
        "Write a short and cheerful poem in which {} plays the leading part.",
        "Schreibe ein kurzes und fröhliches Gedicht, in dem {} die Hauptrolle spielt.",
    ),
    (
        "Which three books about {} should somebody read who is new to the subject?",
        "Welche drei Bücher über {} sollte jemand lesen, für den das Thema neu ist?",
    ),
    (
        "My sister is afraid of {}; how can I help her without making fun of her?",
        "Meine Schwester hat Angst vor {}; wie kann ich ihr helfen, ohne sie auszulachen?",
    ),
    (
        "Give me five surprising facts about {} that I can tell at dinner tonight.",
        "Nenne mir fünf überraschende Tatsachen über {}, die ich heute beim Essen erzählen kann.",
    ),
    (
        "Compare {} a hundred years ago with what we know today, in two paragraphs.",
        "Vergleiche {} vor hundert Jahren mit dem, was wir heute wissen, in zwei Absätzen.",
    ),
)
THINGS = (
    *(("gravity", "Schwerkraft"), ("electricity", "Elektrizität"), ("mathematics", "Mathematik")),
    *(("music", "Musik"), ("thunder", "Donner"), ("philosophy", "Philosophie"), ("snow", "Schnee")),
    *(("chess", "Schach"), ("astronomy", "Sternkunde"), ("democracy", "Demokratie")),
    *(("evolution", "Evolution"), ("poetry", "Dichtung"), ("inflation", "Inflation")),
    *(("magnetism", "Magnetismus"), ("opera", "Oper"), ("water", "Wasser"), ("fire", "Feuer")),
    *(("spiders", "Spinnen"), ("volcanoes", "Vulkanen"), ("lightning", "Blitzen")),
)
SUM = (
    "A farmer who lives near the river owns {} sheep and {} goats. In spring he buys some more, so "
    "that he has {} animals altogether. How many animals did he buy in spring?"
)


class Maker:
    """Draws prompts out of English words by subject."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        known = set(re.findall(r"\b[a-z]{3,12}\b", " ".join(topics.topics.values())))
        self.words = sorted(known)

    def sentences(self, low: int, high: int) -> list[str]:
        subject = self.rng.sample(self.words, 200)
        found: list[str] = []
        for _ in range(self.rng.randint(low, high)):
            words = self.rng.choices(subject, k=self.rng.randint(8, 14))
            found.append(" ".join([words[0].capitalize(), *words[1:]]) + self.rng.choice(".?"))
        return found

    def text(self) -> str:
        return " ".join(self.sentences(3, 6))

    def replaced(self, text: str) -> str:
        words = text.split()
        for place in self.rng.sample(range(len(words)), max(1, round(0.04 * len(words)))):
            words[place] = self.rng.choice(self.words)
        return " ".join(words)

    def slips(self, text: str) -> str:
        words = text.split()
        for place in self.rng.sample(range(len(words)), max(1, round(0.08 * len(words)))):
            letters = list(words[place])
            letters[self.rng.randrange(len(letters))] = self.rng.choice("aeiortns")
            words[place] = "".join(letters)
        return " ".join(words)

    def spaced(self, text: str) -> str:
        gaps = ("  ", " \t", "\n", "\u00a0")
        return "  " + "".join(w + self.rng.choice((" ", *gaps)) for w in text.split()) + "\n"

    def accented(self, text: str) -> str:
        swapped = {"a": "ä", "e": "é", "o": "ô", "u": "ü"}
        return "".join(
            swapped.get(c, c) if self.rng.random() < 0.3 else c  # about one letter in ten
            for c in text
        )

    def kinds(self) -> dict[str, Callable[[], tuple[str, str]]]:
        """Return how each kind of copy is made: an original and its copy."""
        text, rng = self.text, self.rng

        def changed(change: Callable[[str], str]) -> Callable[[], tuple[str, str]]:
            def make() -> tuple[str, str]:
                base = text()
                return base, change(base)

            return make

        def reordered() -> tuple[str, str]:
            parts = self.sentences(3, 6)
            return " ".join(parts), " ".join([*parts[1:], parts[0]])

        def unicode_form() -> tuple[str, str]:
            base = self.accented(text())
            return unicodedata.normalize("NFC", base), unicodedata.normalize("NFD", base)

        return {
            "exact": changed(str),
            "whitespace": changed(self.spaced),
            "case and punctuation": changed(lambda t: re.sub(r"[.?]", "", t).lower()),
            "Unicode form": unicode_form,
            "words replaced (4 %)": changed(self.replaced),
            "slips (8 % of words)": changed(self.slips),
            "sentences reordered": reordered,
            "boilerplate appended": changed(lambda t: f"{t} {NOTE}"),
            "boilerplate in front": changed(lambda t: f"{NOTE} {t}"),
            "text cut (last 15 %)": changed(lambda t: t[: -(len(t) * 15 // 100)]),
            "half of it": changed(lambda t: t[: rng.randint(len(t) * 4 // 10, len(t) * 6 // 10)]),
        }

    def decoys(self, count: int) -> Iterator[tuple[str, str]]:
        """Yield distinct prompts that look alike, with their kind."""
        preamble = " ".join(self.sentences(3, 3))
        seen: set[str] = set()
        while len(seen) < count:
            seen.add(" ".join(self.rng.sample(self.words, self.rng.randint(2, 4))))
        for short in sorted(seen):
            yield "short", f"{short.capitalize()}?"
            yield "template", f"{preamble} {' '.join(self.sentences(2, 2))}"
        for number in range(count):
            sheep, goats = 10 + number, 20 + self.rng.randint(0, 60)
            yield "number", SUM.format(sheep, goats, sheep + goats + self.rng.randint(1, 40))


def plant(folder: Path, count: int, seed: int = 0) -> dict[str, int]:
    """Write rows and truth; return how many copies of each kind were planted."""
    maker, groups = Maker(seed), list[list[tuple[str, str]]]()
    for kind, make in maker.kinds().items():
        for _ in range(count):
            base, copy = make()
            groups.append([("base", base), (kind, copy)])
    for english, german in ASKED:
        for thing, ding in THINGS:
            asked = [("base", english.format(thing)), ("two languages", german.format(ding))]
            groups.append(asked)
    groups += [[decoy] for decoy in maker.decoys(count)]
    rows = [(group, *row) for group, members in enumerate(groups) for row in members]
    maker.rng.shuffle(rows)
    folder.mkdir(parents=True)
    truth: list[dict[str, object]] = []
    planted: dict[str, int] = {}
    with (folder / "part-000.jsonl").open("w", encoding="utf-8") as stream:
        for place, (group, kind, prompt) in enumerate(rows):
            name = f"r{place:07d}"
            sides = {"chosen": f"{maker.text()} {place}", "rejected": maker.text()}
            row = {"id": name, "prompt": prompt, **sides, "source": "made", "text": prompt}
            stream.write(json.dumps(row) + "\n")
            truth.append({"id": name, "group": group, "kind": kind})
            planted[kind] = planted.get(kind, 0) + 1
    (folder / "truth.json").write_text(json.dumps(truth))
    return planted

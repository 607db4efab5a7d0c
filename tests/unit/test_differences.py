"""Differences between near copies, and typos."""

import random
from typing import Any

import numpy as np
import polars as pl
import pytest

from prefine.text.clusters import edges_of
from prefine.text.differences import differences
from prefine.text.distinct import Distinct, sketch_texts
from prefine.text.near import Bounds, cluster_centres, lexical_edges, split_by_traits
from prefine.text.sketches import estimates, sketches
from prefine.text.typos import are_typos
from prefine.text.words import byte_shingles, exact_texts, hash_words, split_words, word_shingles

FORMULA = (
    "Take the list of all orders and keep those for which the price {} the limit that the user "
    "has set in the form, then sort them by their date and show the first page of the result"
)


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        ("What is 48 + 4?", "What is 52 + 4?", "numbers"),
        ("3 apples and 5 pears", "5 apples and 3 pears", "numbers"),
        ("Take 5 mg of it", "Take 5 kg of it", "numbers"),
        ("Take 5mg of it", "Take 5 mg of it", "words"),
        ("It cost 1,000 euros", "It cost 1000 euros", "words"),
        ("Give me three reasons", "Give me four reasons", "numbers"),
        ("总共三个", "总共四个", "numbers"),
        ("The sky is blue", "The sky is not blue", "negations"),
        ("It isn't so", "It is not so", "words"),
        ("You can do it", "You can’t do it", "negations"),  # noqa: RUF001 - as printed
        ("这很好", "这不好", "negations"),
        ("这非常好", "这很好", "words"),
        ("나는 학교에 갔다", "나는 학교에 안 갔다", "negations"),
        ("Das ist gut", "Das ist nicht gut", "negations"),
        ("C'est bon", "Ce n'est pas bon", "negations"),
        ("On en parle", "On n'en parle plus", "negations"),
        ("Es bueno", "No es bueno", "negations"),
        ("if a < b:", "if a <= b:", "symbols"),
        ("Is n! even?", "Is n even?", "symbols"),
        ("x; y", "x y", "symbols"),
        ("(a + b) * c", "a + (b * c)", "symbols"),
        ("n-1 of them", "n+1 of them", "symbols"),
        ("price * count", "price / count", "symbols"),
        ("Write a Java function", "Write a Go function", "symbols"),
        ("Sort it.\n```python\nf()\n```", "Sort it.\n```\nf()\n```", "words"),
        ("I go home", "I walk home", "words"),
        ("a＋b等于多少", "a－b等于多少", "symbols"),  # noqa: RUF001 - full width
        ("It is (A)", "It is (B)", "symbols"),
        ("The answer is B.", "The answer is C.", "symbols"),
        ("That is true", "That is false", "negations"),
        ("行くことができます", "行くことができません", "negations"),
        ("Это верно", "Это не верно", "negations"),
        ("هذا صحيح", "هذا غير صحيح", "negations"),
        ("यह सही है", "यह सही नहीं है", "negations"),
        ("Isto é bom", "Isto não é bom", "negations"),
        ("ถูกต้อง", "ไม่ถูกต้อง", "negations"),
        ("I’m “fine”", 'I\'m "fine"', "form"),  # noqa: RUF001 - as printed
        ("a cat in a hat", "a dog in a hat", "words"),
        ("a well-known and/or fact", "a well known and or fact", "form"),
        ("dog bites man", "man bites dog", "order"),
        ("from the US", "from the us", "form"),
        ("**Bold**\n- one\n- two", "Bold\n* one\n* two", "form"),
        ("if a:\n    b()\n    c()", "if a:\n    b()\nc()", "form"),
        ("a  b", "a b", "form"),
        ("caf\u00e9 \r\nau lait\n", "cafe\u0301\nau lait", "none"),
    ],
)
def test_the_gravest_difference_is_told(one: str, other: str, difference: str) -> None:
    assert differences([one, other], [other, one]).to_list() == [difference] * 2
    assert differences([one], [one]).to_list() == ["none"]


def test_exact_texts_keep_what_matters_in_code() -> None:
    same = ["a:\n  b", "\ta:  \r\n  b\n\n", "a:\n  b "]
    other = ["a:\nb", "a:\n\n  b", "A:\n  b", "a: \n   b"]

    assert set(exact_texts(same)) == {"a:\n  b"}
    assert len(set(exact_texts([*same, *other]))) == 5


@pytest.mark.parametrize(
    ("one", "other", "slips"),
    [
        ("words with eight letters", "word with eight letters", True),
        (
            "recieve the mesage fromhim quickly today",
            "receive the message from him quickly today",
            True,
        ),
        ("a dog bites the man", "a cat bites the man", False),
        ("the legal way to do it", "the illegal way to do it", False),
        ("an increase of sales there", "a decrease of sales there", False),
        ("they said that mister dobbs sits here", "they said that mister doocy sits here", False),
        ("vitamins first and vitamine last", "vitamine first and vitamins last", False),
        ("학교에서 선생님을 만났어요", "학교에서 선셍님을 만났어요", True),
        ("학교 근처 식당", "학원 근처 식당", False),
    ],
)
def test_slips_are_not_other_words(one: str, other: str, slips: bool) -> None:
    assert are_typos(one.split(), other.split()) is slips
    assert are_typos(other.split(), one.split()) is slips


def test_one_of_many_words_may_be_another_as_may_one_of_many_characters() -> None:
    words = [f"{a}{b}ther" for a in "bcdfgl" for b in "aeiou"]

    assert are_typos(words[:28], ["quite", *words[1:28]])
    assert not are_typos(words[:27], ["quite", *words[1:27]])
    assert are_typos(list("我们今天去公园看很多花吧"), list("我们今天去公园看很多鸟吧"))
    assert not are_typos(list("我们今天去公园看花"), list("我们今天去公园看鸟"))
    assert not are_typos(list("我们今天去北京看很多花吧"), list("我们今天去上海看很多花吧"))


def surveyed(texts: list[str]) -> Distinct:
    ids = [str(place) for place in range(len(texts))]
    return sketch_texts(lambda _: (ids, texts), range(1), 3, characters=True)


def clusters(texts: list[str], bounds: Bounds) -> int:
    found = surveyed(texts)
    kept = split_by_traits(found, bounds, lexical_edges(found, bounds))
    return len(set(cluster_centres(found, bounds, kept.edges).tolist()))


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        ([FORMULA.format(n) for n in ("is over 48 of", "is over 52 of")], "numbers"),
        ([FORMULA.format(n) for n in ("is over", "is not over")], "negations"),
        ([FORMULA.format(n) for n in ("<", "<=")], "symbols"),
    ],
)
def test_near_copies_that_differ_in_what_a_label_is_about_stay_apart(
    texts: list[str], kind: Any
) -> None:
    others = tuple(name for name in Bounds().apart if name != kind)

    assert clusters(texts, Bounds()) == 2
    assert clusters(texts, Bounds(apart=(kind,))) == 2
    assert clusters(texts, Bounds(apart=others)) == clusters(texts, Bounds(apart=())) == 1


def test_edges_of_every_method_are_kept_apart() -> None:
    found = surveyed(["it costs 5", "it costs 6", "it is cheap"])
    place = found.indices.tolist()
    pairs = np.sort(np.array([place[:2], place[1:]]), axis=1)

    kept = split_by_traits(found, Bounds(), edges_of(pairs, "semantic", np.ones(2)))

    assert len(kept.edges.pairs) == 0
    assert sorted(kept.apart["numbers"].tolist()) == sorted(pairs.tolist())


@pytest.mark.parametrize(
    ("text", "copy"),
    [
        (
            "사과와 배를 함께 넣어 만드는 케이크 조리법을 자세히 설명해 주세요",
            "사과와 배를 함께 넣어 만드는 케이크 조리법을 자셰히 설멍해 주세요",
        ),
        (
            "请用简单的语言向小学生解释为什么天空是蓝色的",
            "请用简单的语言向小学生解释为什么天空是兰色的",
        ),
        (
            "How do I teach my grandmother to use her new phone",
            "How do I teech my grandmother to use her new phoen",
        ),
        (
            "Расскажите подробно как правильно выращивать помидоры",
            "Раскажите подробно как правильно выращивать памидоры",
        ),
    ],
)
def test_slips_in_short_texts_are_found_by_characters_in_any_language(text: str, copy: str) -> None:
    # too few runs of words are equal for the texts to be proposed by their words
    assert clusters([text, copy], Bounds()) == 1
    assert clusters([text, copy], Bounds(character_jaccard=None)) == 2


def test_bytes_are_run_through_like_characters() -> None:
    found = byte_shingles(split_words(["abcdefgh", "xbcdefgh", "abcdefghijkl", "né", "né"]))

    assert np.diff(found.starts).tolist() == [3, 3, 7, 1, 1]
    a, x, more = (set(found.hashes[s:e].tolist()) for s, e in ((0, 3), (3, 6), (6, 13)))
    assert len(a & x) == 2
    assert a < more
    assert found.hashes[13] == found.hashes[14] == hash_words(split_words(["né"]))[0]


def test_an_estimate_is_near_the_overlap() -> None:
    words = [f"w{n}" for n in range(400)]
    texts = [" ".join(words[start : start + 300]) for start in (0, 30, 100)]
    found = sketches(word_shingles(split_words(texts), 1))

    estimated = estimates(found, np.array([[0, 1], [0, 2], [1, 1]]))

    assert estimated == pytest.approx([270 / 330, 200 / 400, 1.0], abs=0.12)


def test_canonical_texts_do_not_depend_on_the_order_of_rows() -> None:
    texts = ["a *b c", "a * b c", "A  * b c", "d e f", "D e f"]
    found: list[tuple[str, ...]] = []
    rng = random.Random(0)
    for _ in range(5):
        rng.shuffle(texts)
        seen = surveyed(texts)
        found.append(tuple(seen.texts(seen.first)))

    assert len(set(found)) == 1
    assert pl.Series(found[0]).len() == 2

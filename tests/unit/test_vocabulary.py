"""Which words an encoder knows, and which texts have no embedding."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from prefine.serve.local.static import Static, StaticEmbedder
from prefine.serve.vocabulary import Vocabulary
from prefine.serve.weights import locate
from prefine.settings import Encoder

LIMIT = Encoder().max_unknown_ratio


@pytest.fixture(scope="module")
def english() -> str:
    """Return the tokenizer of the bundled encoder."""
    return (Path(locate(Encoder().weights.model)) / "tokenizer.json").read_text()


@cache
def loaded(tokenizer: str, limit: float) -> tuple[Tokenizer, Vocabulary]:
    encoder = Tokenizer.from_str(tokenizer)
    encoder.no_truncation()
    encoder.no_padding()
    return encoder, Vocabulary(tokenizer, limit)


def reasons(tokenizer: str, texts: Sequence[str], limit: float = LIMIT) -> list[str | None]:
    encoder, vocabulary = loaded(tokenizer, limit)
    ids = [encoder.encode(text, add_special_tokens=False).ids for text in texts]
    return vocabulary.reasons(texts, ids)


@pytest.mark.parametrize(
    "text",
    [
        "How do I keep my garden green?",
        "1 + 1 = ?",
        "!!!",
        "def foo(x): return [ijk[q] for ijk in zzz(x)]  # kwargs_xyz",
        "Let α ≥ β and compute ∑ λ / 2.",  # noqa: RUF001 - Greek is meant
        "Great job 🎉 🎉 🎉 🎉",
        "What does 날씨 mean in English?",
        "Wie wird das Wetter heute?",
        "Hôm nay thời tiết thế nào?",
    ],
)
def test_a_text_of_known_words_has_an_embedding(english: str, text: str) -> None:
    assert reasons(english, [text]) == [None]


@pytest.mark.parametrize(
    "text",
    [
        "오늘 날씨가 어때요?",
        "今天天气怎么样",
        "今日の天気はどうですか",
        "きょうはどうですか",
        "Какая сегодня погода?",
        "ما هي حالة الطقس اليوم",
        "Τι καιρό κάνει σήμερα",  # noqa: RUF001 - Greek is meant
        "आज मौसम कैसा है",
        "วันนี้อากาศเป็นอย่างไร",
        "🎉🎉🔥",
        # signs and numbers around unknown words
        "123 !!! ??? 날씨 -- 456",
        # a known frame around unknown words
        "Translate to English: 今天天气很好,我们去公园散步吧。",
        "Fix: 오늘 날씨가 어때요",
        # letters of formulas are no words
        "x+y = 4z, x*y = 4z^2, x-y를 z에 대하여 표현하세요.",
    ],
)
def test_a_text_of_unknown_words_has_none(english: str, text: str) -> None:
    assert reasons(english, [text]) == ["unknown_words"]


def test_a_text_without_a_token_is_blank(english: str) -> None:
    assert reasons(english, ["", " \n", "\u200b"]) == ["blank"] * 3


def test_the_share_of_unknown_words_decides(english: str) -> None:
    texts = ["one two three 날씨가", "one 날씨가 날씨는 날씨도"]  # 1 and 3 of 4 words

    assert reasons(english, texts, 0.5) == [None, "unknown_words"]
    assert reasons(english, texts, 0.2) == ["unknown_words", "unknown_words"]
    assert reasons(english, texts, 1.0) == [None, None]


def word_pieces(words: Sequence[str]) -> str:
    vocabulary = {word: number for number, word in enumerate(["[UNK]", *words])}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer = normalizers.NFC()
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return made.to_str()


def test_an_encoder_knows_the_scripts_of_its_vocabulary() -> None:
    korean = word_pieces(["오늘", "날씨", "##가", "어때", "##요", "?", "h", "##e", "##l", "##o"])

    found = reasons(korean, ["오늘 날씨가 어때요?", "오늘 김치", "hello", "오늘 날씨가 hello"])

    # 김치 has no token; Latin letters are spelled
    assert found == [None, "unknown_words", "unknown_words", "unknown_words"]


def test_unknown_and_special_tokens_have_no_part_in_a_static_vector() -> None:
    tokenizer = Tokenizer.from_str(word_pieces(["known", "words", "[SEP]"]))
    tokenizer.add_special_tokens(["[SEP]"])
    vectors = np.array([[9, 9], [1, 0], [0, 1], [7, -7]], np.float16)
    embedder = StaticEmbedder(Static(tokenizer.to_str(), vectors), 15, 0.5)
    done: list[int] = []

    texts = ["known words", "known zzz words", "known [SEP] and so on", "zzz", ""]
    found = embedder.embed(texts, done.append)

    half = 0.5**0.5
    assert found.vectors == pytest.approx(
        np.array([[half, half], [half, half], [1, 0], [0, 0], [0, 0]])
    )
    assert found.reasons == [None, None, None, "unknown_words", "blank"]
    assert found.is_cut == [False, False, True, False, False]
    assert sum(done) == 5

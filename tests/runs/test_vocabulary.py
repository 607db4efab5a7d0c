"""Vocabularies of tokenizers of transformers."""

from tests.made import byte_tokenizer
from tests.unit.test_vocabulary import reasons


def test_a_vocabulary_of_single_bytes_is_not_judged() -> None:
    tokenizer = byte_tokenizer().backend_tokenizer.to_str()

    assert reasons(tokenizer, ["Why?", "오늘 날씨가 어때요?"]) == [None, None]

"""Vectors are centred, independently of shards, order and duplicates."""

import numpy as np
import pyarrow as pa
import pytest

from prefine.serve.embedded import Embedded
from prefine.tables.examples import example_vectors
from prefine.tables.vectors import VECTOR, centred, to_arrow_vectors


def test_the_centre_is_subtracted_and_the_rest_has_length_one() -> None:
    rows = pa.table({"vector": pa.array([[0.5, 0.5], None, [1.0, 0.5]], VECTOR)})

    found = centred(rows, np.array([0.5, 0.0]))

    assert found == pytest.approx(np.array([[0, 1], [0, 0], [0.5**0.5, 0.5**0.5]]))


def test_examples_lose_the_mean_of_what_they_are_compared_with() -> None:
    rows = pa.table({"vector": pa.array([[1.0, 0.0]], VECTOR)})

    assert example_vectors(rows, np.array([0.5, -0.5])) == pytest.approx(
        np.array([[0.5**0.5, 0.5**0.5]])
    )
    assert example_vectors(rows, np.empty(0)).tolist() == [[0.0]]


def test_a_text_without_a_vector_is_stored_as_null_with_its_reason() -> None:
    vectors = np.array([[0, 0], [1, 0], [0, 0]], np.float32)

    found, reasons = to_arrow_vectors(Embedded(vectors, [False] * 3, ["unknown_words", None, None]))

    assert found.to_pylist() == [None, [1.0, 0.0], None]
    assert reasons == ["unknown_words", None, "blank"]

"""``prefine.text`` and ``prefine.search`` without a recipe."""

import random
import tracemalloc

import numpy as np
import pytest

from prefine.errors import DataError
from prefine.search import Search, neighbours
from prefine.text import near_duplicates


def test_near_duplicates_of_a_list() -> None:
    texts = ["Name three fruits.", "Sing!", "name three fruits", "Sing!", "Name four fruits."]

    table = near_duplicates(texts)

    assert table["cluster"].to_list() == [0, 1, 0, 1, 4]
    assert table["cluster_size"].to_list() == [2, 2, 2, 2, 1]
    assert table["by"].to_list() == ["same_words", "exact", "same_words", "exact", None]
    assert table["overlap"].to_list() == [1, 1, 1, 1, None]
    assert table["differs"].to_list() == ["none", "none", "form", "none", None]


def test_copies_that_differ_in_numbers_are_one_cluster_only_on_request() -> None:
    texts = [f"How many apples are in a basket of {n} apples and two pears?" for n in (48, 52)]

    assert near_duplicates(texts)["cluster"].to_list() == [0, 1]
    assert near_duplicates(texts, jaccard=0.5, apart=[])["cluster"].to_list() == [0, 0]


def test_clusters_do_not_depend_on_the_order_of_the_texts() -> None:
    words = [
        "the",
        "cat",
        "sat",
        "on",
        "a",
        "mat",
        "and",
        "looked",
        "at",
        "all",
        "the",
        "birds",
        "in",
        "the",
        "old",
        "garden",
    ]
    generator = random.Random(5)
    texts = [" ".join(words[: generator.randrange(8, 17)]) for _ in range(30)]
    order = generator.sample(range(30), 30)

    first = near_duplicates(texts)["cluster"].to_list()
    second = near_duplicates([texts[index] for index in order])["cluster"].to_list()

    def partition(clusters: list[int], names: list[int]) -> set[frozenset[int]]:
        groups: dict[int, set[int]] = {}
        for name, cluster in zip(names, clusters, strict=True):
            groups.setdefault(cluster, set()).add(name)
        return {frozenset(group) for group in groups.values()}

    assert partition(first, list(range(30))) == partition(second, order)


def test_no_texts_have_no_near_duplicates() -> None:
    assert near_duplicates([]).height == 0
    assert near_duplicates(iter([""]))["cluster"].to_list() == [0]


def test_near_duplicates_refuses_what_is_not_a_list_of_texts() -> None:
    with pytest.raises(DataError, match="not one text"):
        near_duplicates("one text")
    with pytest.raises(DataError, match="text 1 is NoneType, not str"):
        near_duplicates(["a", None])  # pyright: ignore[reportArgumentType]
    with pytest.raises(DataError, match="text 1, character 2: a lone surrogate"):
        near_duplicates(["a", "b \ud800"])
    with pytest.raises(ValueError, match="jaccard must lie in"):
        near_duplicates(["a"], jaccard=0)
    with pytest.raises(ValueError, match="unknown difference 'colour'"):
        near_duplicates(["a"], apart=["colour"])  # pyright: ignore[reportArgumentType]


def test_neighbours_are_those_of_brute_force() -> None:
    vectors = np.random.default_rng(3).normal(size=(60, 5)) * 10
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -np.inf)

    result = neighbours(vectors, k=4)

    np.testing.assert_array_equal(result.indices, np.argsort(-cosines, axis=1)[:, :4])
    np.testing.assert_allclose(result.similarities, -np.sort(-cosines, axis=1)[:, :4], atol=1e-6)
    assert result.recall == 1


def test_queries_may_be_other_vectors() -> None:
    vectors = [[2, 0], [0, 3], [1, 1]]

    cosine = neighbours(vectors, k=2, queries=[[0, 5]])
    product = neighbours(vectors, k=2, queries=[[0, 5]], normalize=False)

    assert cosine.indices.tolist() == [[1, 2]]
    np.testing.assert_allclose(cosine.similarities, [[1, 0.5**0.5]], atol=1e-6)
    assert product.similarities.tolist() == [[15, 5]]


def test_fewer_vectors_than_neighbours() -> None:
    result = neighbours([[1.0, 0.0], [0.0, 0.0]], k=3)

    assert result.indices.tolist() == [[1, -1, -1], [0, -1, -1]]
    assert result.similarities.tolist() == [[0, -np.inf, -np.inf]] * 2
    assert neighbours(np.empty((0, 3)), k=2).indices.shape == (0, 2)


def test_a_large_search_states_its_recall() -> None:
    vectors = np.random.default_rng(4).normal(size=(400, 8))

    result = neighbours(vectors, k=3, search=Search(exact_up_to=100, recall=0.9, sampled=64))

    assert 0.5 < result.recall <= 1
    assert (result.indices != np.arange(400)[:, None]).all()


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ([1.0, 2.0], r"shape \(rows, dimensions\)"),
        ([["a", "b"]], "numeric"),
        ([[1.0, 2.0], [3.0]], "rows of one length"),
        ([[0.0, 1.0], [np.nan, 1.0]], "the first such row is 1"),
    ],
)
def test_neighbours_refuses_what_is_no_array_of_vectors(vectors: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        neighbours(vectors)  # pyright: ignore[reportArgumentType]


def test_widths_must_agree() -> None:
    with pytest.raises(DataError, match="queries have 3 dimensions, vectors have 2"):
        neighbours([[1, 0]], queries=[[1, 0, 0]])
    with pytest.raises(ValueError, match="at least 1"):
        neighbours([[1, 0]], k=0)


def test_k_may_be_an_integer_of_numpy_and_no_fraction() -> None:
    assert neighbours([[1, 0], [1, 1]], k=np.int64(1)).indices.tolist() == [[1], [0]]  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError):
        neighbours([[1, 0]], k=1.5)  # pyright: ignore[reportArgumentType]


def test_many_equal_vectors_need_little_memory() -> None:
    tracemalloc.start()
    result = neighbours(np.ones((1500, 2)), k=3, search=Search(exact_up_to=100, sampled=50))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert result.indices[0].tolist() == [1, 2, 3]
    assert result.indices[-1].tolist() == [0, 1, 2]
    assert peak < 60 * 2**20, "the candidates of a query are not limited"

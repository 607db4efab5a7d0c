"""Embeddings: batches of like length, each text once, and servers that misbehave on purpose."""

import base64
import os
import signal
import sys
from collections.abc import Callable, Generator
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prefine.errors import IntegrityError, RecipeError, ServiceError
from prefine.recipe import parse_recipe
from prefine.serve.local.encoder import LocalEmbedder
from prefine.serve.vllm import lanes
from prefine.serve.vllm.embed import EmbedClient
from prefine.serve.weights import locate
from prefine.settings import Encoder, Inputs, Runtime, Weights
from prefine.tables.embeddings import served_encoder
from tests.made import byte_tokenizer, call, explicit, gone, table
from tests.scripted import Listener, Request

Row = dict[str, Any]
Spoil = Callable[[list[Row], int], Any]


def vector(ids: list[int]) -> np.ndarray:
    """Return the vector of the test server: number of ids, their sum, the first one."""
    return np.array([len(ids), sum(ids), ids[0]], "<f4")


class Embedding(Listener):
    """A server whose rows a test may spoil."""

    def __init__(self, spoil: Spoil) -> None:
        self.read_more = 0

        def post(request: Request, body: dict[str, Any], number: int) -> None:
            assert request.path == "/v1/embeddings"
            rows = [
                {"index": at, "embedding": base64.b64encode(vector(ids).tobytes()).decode()}
                for at, ids in enumerate(body["input"])
            ]
            read = sum(map(len, body["input"])) + self.read_more
            found = spoil(rows, number)
            reply = {"data": found, "usage": {"prompt_tokens": read}}
            request.send(reply, 503 if found == 503 else 200)

        super().__init__(post, id="mini", max_model_len=64)


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Generator[Callable[[Spoil], Embedding]]:
    monkeypatch.setattr(lanes, "_FIRST_WAIT_S", 0.01)
    made: list[Embedding] = []

    def make(spoil: Spoil = lambda rows, _: rows) -> Embedding:
        made.append(Embedding(spoil))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    byte_tokenizer().save_pretrained(tmp_path / "mini")
    return tmp_path / "mini"


def client(folder: Path, *servers: Embedding, **more: Any) -> EmbedClient:
    weights = Weights(model=str(folder))
    config = Encoder(weights=weights, static=False, served_model="mini", max_tokens=16)
    urls = tuple(server.url for server in servers)
    runtime = Runtime(**{"servers": {"encoder": urls}, "batch_rows": 2, "retries": 1, **more})
    served = served_encoder(config, Inputs())
    assert served is not None
    return EmbedClient(served, config, runtime)


def embedder(runtime: Runtime, **more: Any) -> LocalEmbedder:
    """Return the bundled encoder, in this process."""
    config = Encoder(static=False, **more)
    return LocalEmbedder(config, config.weights.resolved(None), runtime)


TEXTS = ["abcde", "a", "abc", "", "ab", "x" * 40]


def ids_of(folder: Path, text: str) -> list[int]:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)(text)["input_ids"]


def test_vectors_come_back_in_order_and_of_length_one(serving: Any, tokenizer: Path) -> None:
    servers = [serving(lambda rows, _: rows[::-1]) for _ in range(2)]
    told: list[int] = []
    texts = [text for text in TEXTS if text]

    found = client(tokenizer, *servers).encode(texts, told.append)

    expected = np.stack([vector(ids_of(tokenizer, text)[:16]) for text in texts])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert found == pytest.approx(expected)
    assert sum(told) == 5
    sent = [body for server in servers for body in server.requests]
    assert max(len(ids) for body in sent for ids in body["input"]) == 16
    assert all(body["model"] == "mini" for body in sent)


def test_a_text_that_is_cut_says_so(serving: Any, tokenizer: Path) -> None:
    assert client(tokenizer, serving()).cuts(["x" * 16, "x" * 17]) == [False, True]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[:-1], "response has 1 rows, the request had 2"),
        (lambda _: None, "response has no rows"),
        (lambda rows: [rows[0], rows[0]], "rows of the response do not match the request"),
        (
            lambda rows: [{**row, "embedding": "?"} for row in rows],
            "rows of the response do not match the request",
        ),
        (
            lambda rows: [{**row, "embedding": "AAA="} for row in rows],
            "rows of the response do not match the request",
        ),
        (lambda _: 503, "status 503"),
    ],
)
def test_an_answer_of_other_rows_is_a_service_error(
    serving: Any, tokenizer: Path, change: Any, message: str
) -> None:
    server = serving(lambda rows, _: change(rows))

    with pytest.raises(ServiceError, match=message):
        client(tokenizer, server).encode(["ab", "cd"], lambda _: None)


def test_a_fault_that_passes_is_waited_out(serving: Any, tokenizer: Path) -> None:
    server = serving(lambda rows, number: 503 if number == 1 else rows)

    assert client(tokenizer, server).encode(["ab"], lambda _: None).shape == (1, 3)


def test_a_vector_that_is_no_number_is_an_error(serving: Any, tokenizer: Path) -> None:
    broken = base64.b64encode(np.array([np.nan] * 3, "<f4").tobytes()).decode()
    server = serving(lambda rows, _: [{**row, "embedding": broken} for row in rows])

    with pytest.raises(IntegrityError, match="not finite"):
        client(tokenizer, server).encode(["ab"], lambda _: None)


def test_a_server_that_reads_other_tokens_is_refused(serving: Any, tokenizer: Path) -> None:
    server = serving()
    assert client(tokenizer, server).check()[0]["dimensions"] == 3

    server.read_more = 2
    with pytest.raises(RecipeError, match=r"read \d+ tokens where \d+ were sent"):
        client(tokenizer, server).check()


def test_a_static_encoder_has_no_server() -> None:
    text = "name: made\nsources: [{name: a, files: [b]}]\nencoder: {served_model: mini}\n"

    with pytest.raises(RecipeError, match="`served_model` needs `static: false`"):
        parse_recipe(text)


def test_a_run_asks_for_each_text_once(
    serving: Any, tokenizer: Path, tmp_path: Path, write_lines: Any
) -> None:
    write_lines([explicit(f"Is it {n}?", "Yes, it is.", f"No {n}") for n in range(5)])
    recipe = (
        "name: made\nsources: [{name: made, files: [rows.jsonl]}]\nmeasures: [{kind: cosine}]\n"
        f"encoder: {{static: false, served_model: mini, max_tokens: 32, "
        f"weights: {{model: {tokenizer}}}}}\n"
    )
    server = serving()

    found = table(recipe, tmp_path, "measure_cosine", servers={"encoder": (server.url,)})

    sent = [tuple(ids) for body in server.requests for ids in body["input"]]
    texts = [ids for ids in sent if ids not in {(1, 2, 1), (2, 1, 2, 1)}]
    assert tuple(ids_of(tokenizer, "Yes, it is.")) in texts
    assert len(texts) == len(set(texts)) == 1 + 5
    assert found["cosine"].null_count() == 0


def test_batches_of_like_length_change_no_vector() -> None:
    from sentence_transformers import SentenceTransformer

    texts = ["Why?", "A longer question about the weather in the hills.", "No.", "word " * 400]
    told: list[int] = []

    found = [
        embedder(Runtime(batch_tokens=tokens)).encode(texts, told.append) for tokens in (1, 100_000)
    ]

    plain = SentenceTransformer(locate(Encoder().weights.model), device="cpu")
    expected = np.stack([plain.encode(text, normalize_embeddings=True) for text in texts])
    assert found[0] == pytest.approx(expected, abs=1e-5)
    assert found[1] == pytest.approx(expected, abs=1e-5)
    assert told == [1, 1, 1, 1, 4]


def children() -> set[int]:
    return {child.pid for child in active_children() if child.pid is not None}


def test_processes_give_the_vectors_that_one_gives() -> None:
    texts = [f"Number {n}. {'A word or two. ' * (n % 7)}" for n in range(40)]
    told: list[int] = []

    alone = embedder(Runtime(batch_tokens=32)).encode(texts, told.append)
    before = children()
    apart = embedder(Runtime(batch_tokens=32, workers=2)).encode(texts, told.append)

    assert len(children() - before) == 2
    assert alone.tobytes() == apart.tobytes()
    assert sum(told) == 2 * len(texts)


def test_a_process_that_was_ended_is_a_service_error() -> None:
    texts = [f"Number {n}" for n in range(16)]
    shared = embedder(Runtime(batch_tokens=1, workers=2))
    before = children()
    shared.encode(texts, lambda _: None)
    for pid in children() - before:
        os.kill(pid, signal.SIGKILL)
        assert gone([pid])

    with pytest.raises(ServiceError, match="reduce `workers` of the runtime"):
        shared.encode(texts, lambda _: None)

    assert shared.encode(texts, lambda _: None).shape == (16, 384)


def test_openvino_gives_the_vectors_of_torch_and_tells_nobody(tmp_path: Path) -> None:
    # in a process of its own: a process cannot unload a module
    script = (
        "from pathlib import Path; import sys; import numpy as np\n"
        "from prefine.settings import Encoder, Runtime\n"
        "from prefine.serve.local.encoder import LocalEmbedder\n"
        "texts = ['Why?', 'A longer question about the hills.', 'No.', 'word ' * 400]\n"
        "configs = [Encoder(static=False, backend=b) for b in ('torch', 'openvino')]\n"
        "plain, fast = (LocalEmbedder(c, c.weights.resolved(None), Runtime()).encode(texts, print)"
        " for c in configs)\n"
        "assert not np.array_equal(plain, fast), 'OpenVINO rounds in its own way'\n"
        "assert np.abs(plain - fast).max() < 1e-5\n"
        "assert sys.modules['openvino_telemetry'] is None\n"
        "assert not list(Path.home().iterdir()), list(Path.home().iterdir())\n"
    )

    call([sys.executable, "-c", script], {**os.environ, "HOME": str(tmp_path)}, tmp_path)


def test_vectors_that_are_not_those_of_torch_are_refused(tmp_path: Path) -> None:
    # OpenVINO itself is changed, in a process of its own
    script = (
        "import sys; sys.modules['openvino_telemetry'] = None\n"
        "import openvino; compile_model = openvino.Core.compile_model\n"
        "def wrong(*given):\n"
        "    model = compile_model(*given)\n"
        "    return lambda inputs: [model(inputs)[0] + 1]\n"
        "openvino.Core.compile_model = wrong\n"
        "from prefine.errors import IntegrityError\n"
        "from prefine.settings import Encoder, Runtime\n"
        "from prefine.serve.local.encoder import LocalEmbedder\n"
        "config = Encoder(static=False, backend='openvino')\n"
        "try:\n"
        "    LocalEmbedder(config, config.weights.resolved(None), Runtime())\n"
        "except IntegrityError as error:\n"
        "    print(error)\n"
    )

    told = call([sys.executable, "-c", script], dict(os.environ), tmp_path)

    assert "OpenVINO's vectors differ from torch's by" in told


def test_openvino_where_it_cannot_be_is_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecipeError, match="`backend` needs `static: false`"):
        parse_recipe("name: a\nsources: [{name: a, files: [b]}]\nencoder: {backend: openvino}\n")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(RecipeError, match=r"pip install 'prefine\[openvino\]'"):
        embedder(Runtime(), backend="openvino")


def korean_encoder(folder: Path) -> Path:
    """Build a small random sentence encoder whose vocabulary is Korean."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Normalize, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = ["오늘", "날씨", "##가", "어때", "##요", "김치", "##찌개", "맑", "##습니다", "?", "."]
    (folder / "vocab.txt").write_text("\n".join(special + words) + "\n", encoding="utf-8")
    tokenizer = BertTokenizerFast(
        str(folder / "vocab.txt"), do_lower_case=False, strip_accents=False
    )
    torch.manual_seed(0)
    settings = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
    )
    BertModel(settings).save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    transformer = Transformer(str(folder / "bert"), max_seq_length=64)
    modules = [transformer, Pooling(32, "mean"), Normalize()]
    SentenceTransformer(modules=modules).save(str(folder / "whole"))
    return folder / "whole"


@pytest.mark.parametrize("static", ["true", "false"])
def test_an_encoder_of_another_language_is_named_in_one_line(
    tmp_path: Path, write_lines: Any, static: str
) -> None:
    folder = korean_encoder(tmp_path / "encoder")
    write_lines(
        [
            explicit("날씨", "오늘 날씨가 맑습니다.", "김치찌개"),
            explicit("김치", "오늘 날씨가 어때요?", "The weather is fine today."),
        ]
    )
    recipe = (
        "name: made\nsources: [{name: made, files: [rows.jsonl]}]\nmeasures: [{kind: cosine}]\n"
        f"encoder: {{static: {static}, dimensions: 8, weights: {{model: {folder}}}}}\n"
    )

    found = table(recipe, tmp_path, "measure_cosine", cache=str(tmp_path / "cache"))

    assert sorted(found["cosine_reason"].fill_null("").to_list()) == ["", "unknown_words"]
    assert found["cosine"].null_count() == 1

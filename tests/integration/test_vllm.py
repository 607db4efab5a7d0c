"""A real vLLM on the CPU, with a reward model built on the spot, through the flow.

Needs ``.venv-vllm`` (``make test-vllm`` makes it).
"""

import gzip
import json
import os
import signal
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from prefine.errors import RecipeError, ServiceError
from prefine.measure.ches.vllm import VllmChes
from prefine.measure.judge.vllm import VllmJudge
from prefine.measure.judge.wording import Wording, render_question
from prefine.measure.reward.vllm import VllmReward
from prefine.planning.look import last_plan, read_table
from prefine.serve.chat import Chat, PromptResponse
from prefine.serve.local.encoder import LocalEmbedder
from prefine.serve.local.hidden import LocalHiddenStates
from prefine.serve.states import Beginning
from prefine.serve.vllm.embed import EmbedClient
from prefine.serve.vllm.hidden import HiddenStatesClient
from prefine.serve.vllm.launch import start_servers
from prefine.serve.vllm.reward import RewardClient
from prefine.serve.vllm.served import Served
from prefine.serve.weights import locate
from prefine.settings import Encoder, Inputs, Model, Runtime, Weights
from prefine.tables.embeddings import served_encoder
from tests.made import call, explicit, llama, prefect_environment, table, user

pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("ignore")]

LONGEST = 2048
PYTHON = Path(__file__).parents[2] / ".venv-vllm/bin/python"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return llama("reward", tmp_path_factory.mktemp("reward"), pad_token_id=0)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return llama("policy", tmp_path_factory.mktemp("policy"))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a small random BERT that reads as the bundled encoder does: a mean, of length one."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Normalize, Pooling, Transformer
    from transformers import AutoTokenizer, BertConfig, BertModel

    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(locate(Encoder().weights.model))
    # the CPU's attention takes heads of 64, which the bundled encoder has not
    settings = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=256,
    )
    BertModel(settings).save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    transformer = Transformer(str(folder / "bert"), max_seq_length=128)
    modules = [transformer, Pooling(128, "mean"), Normalize()]
    SentenceTransformer(modules=modules).save(str(folder / "whole"))
    return folder / "whole"


@pytest.fixture(scope="module")
def servers(
    model: Path, policy: Path, encoder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Generator[dict[str, tuple[str, ...]]]:
    """Start one server per task."""
    if not PYTHON.exists():
        pytest.fail(f"{PYTHON} is not there: make .venv-vllm")
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    logs = tmp_path_factory.mktemp("vllm")
    settings = Runtime(
        engine=str(PYTHON),
        engine_args="--enforce-eager",  # ready sooner than with compiled models
        logs=str(logs),
        start_timeout_s=600,
    )
    launches = [
        Served("rm", "rm", Model(model=str(model)), "reward", "float32", LONGEST),
        Served("ches", "policy", Model(model=str(policy)), "hidden", "float32", LONGEST),
        Served("judge", "policy", Model(model=str(policy)), "judge", "float32", LONGEST),
        Served("encoder", "mini", Model(model=str(encoder)), "embed", "float32", 128),
    ]
    with start_servers(launches, settings) as found:
        yield found


@pytest.fixture(scope="module")
def server(servers: dict[str, tuple[str, ...]]) -> str:
    return servers["rm"][0]


def reward_client(model: Path, runtime: Runtime, **more: Any) -> RewardClient:
    settings = {"kind": "reward/vllm", "name": "rm", "served_model": "rm", "max_tokens": LONGEST}
    measure = VllmReward(**{**settings, "weights": Weights(model=str(model)), **more})
    return RewardClient(measure.server(Inputs()), runtime, num_heads=measure.num_heads)


def runtime(server: str, **more: Any) -> Runtime:
    return Runtime(servers={"rm": (server,)}, retries=0, **more)


@pytest.fixture(scope="module")
def alone(model: Path) -> Any:
    """Return a function that scores one conversation with transformers, at batch 1."""
    from transformers import AutoModelForSequenceClassification

    loaded = AutoModelForSequenceClassification.from_pretrained(model, dtype=torch.float32).eval()

    def score(ids: list[int]) -> float:
        with torch.no_grad():
            return float(loaded(input_ids=torch.tensor([ids])).logits[0, 0])

    return score


def test_every_reward_through_the_flow_equals_transformers_at_batch_one(
    server: str, model: Path, alone: Any, real_data: Path, project: Path, tmp_path: Path
) -> None:
    """The flow, as Prefect runs it, on real pairs: rewards, margins and the exported columns."""
    source = real_data / "hh_rlhf_harmless/harmless-base/test.jsonl.gz"
    with gzip.open(source, "rt", encoding="utf-8") as stream:
        lines = [line for _, line in zip(range(60), stream, strict=False)]
    (tmp_path / "hh.jsonl").write_text("".join(lines), encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text(
        "name: scored\nshards: 2\nsources: [{name: hh, files: [hh.jsonl]}]\n"
        "measures:\n  - {kind: reward/vllm, name: rm, served_model: rm, "
        f"max_tokens: {LONGEST}, canaries: 5, canary_limit: 0.0001, weights: {{model: {model}}}}}\n"
        "rules: [{name: low, column: rm_margin, minimum_quantile: 0.1}]\n",
        encoding="utf-8",
    )
    recipe, output = str(tmp_path / "recipe.yaml"), str(tmp_path / "out")
    settings = json.dumps({"servers": {"rm": [server]}, "batch_rows": 16})
    command = [sys.executable, "-m", "prefine_flows.curate", recipe, "--output", output]
    command += ["--root", str(tmp_path / "root"), "--runtime", settings]
    call(command, prefect_environment(tmp_path.parent / "prefect"), project)

    here = Runtime(root=str(tmp_path / "root"), data=str(tmp_path))
    plan = last_plan(here)
    rewards = dict(read_table(plan, here, "reward_rm").select("response_id", "reward").iter_rows())
    prompts = dict(read_table(plan, here, "prompts").select("prompt_id", "messages").iter_rows())
    chat = Chat(Model(model=str(model)))
    responses = read_table(plan, here, "responses")
    assert len(rewards) == responses.height >= 118
    for name, prompt, said in responses.select("response_id", "prompt_id", "messages").iter_rows():
        expected = alone(chat.conversation([*prompts[prompt], *said]))
        assert rewards[name] == pytest.approx(expected, abs=1e-4)
    facts = read_table(plan, here, "facts")
    for row in facts.iter_rows(named=True):
        margin = rewards[row["chosen_id"]] - rewards[row["rejected_id"]]
        assert row["rm_margin"] == pytest.approx(margin, abs=1e-6)
    assert any(not 0 <= reward <= 1 for reward in rewards.values())
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert sum(manifest["splits"].values()) == facts.height - round(facts.height * 0.1)
    assert manifest["models"][0]["measure"] == "reward/vllm"
    assert manifest["canaries"]["reward_rm"]["responses"] == 10
    assert manifest["canaries"]["reward_rm"]["largest_difference"] <= 1e-4


@pytest.mark.parametrize("batch_rows", [1, 7, 64])
def test_order_and_batch_size_change_nothing(
    server: str, model: Path, alone: Any, batch_rows: int
) -> None:
    rng = np.random.default_rng(1)
    conversations = [rng.integers(3, 250, size=n).tolist() for n in (3, 200, 17, 17, 90, 1, 5)]
    client = reward_client(model, runtime(server, batch_rows=batch_rows, in_flight=3))

    client.check()
    found = client.score(conversations)

    assert found.shape == (7, 1)
    assert found[:, 0] == pytest.approx([alone(ids) for ids in conversations], abs=1e-4)


def test_another_model_than_the_recipe_says_is_an_error(server: str, model: Path) -> None:
    client = reward_client(model, runtime(server), served_model="other")

    with pytest.raises(RecipeError, match="serves rm, not `other` as the recipe says"):
        client.check()


def test_a_shorter_server_than_the_recipe_allows_is_an_error(server: str, model: Path) -> None:
    client = reward_client(model, runtime(server), max_tokens=LONGEST + 1)

    with pytest.raises(RecipeError, match=f"set `max_tokens: {LONGEST}`"):
        client.check()


def test_a_conversation_that_is_too_long_is_refused_and_never_cut(server: str, model: Path) -> None:
    client = reward_client(model, runtime(server))

    with pytest.raises(RecipeError, match="rejects the request with status 400"):
        client.score([[5] * (LONGEST + 1)])


def test_a_server_that_is_not_there_is_a_service_error(model: Path) -> None:
    client = reward_client(model, runtime("http://127.0.0.1:9"))

    with pytest.raises(ServiceError, match="failed 1 times"):
        client.check()


def test_the_check_tells_what_is_served(server: str, model: Path) -> None:
    (facts,) = reward_client(model, runtime(server)).check()

    version = facts.pop("vllm")
    assert version.split(".")[0].isdigit()
    assert facts == {
        "model": "rm",
        "root": None,
        "max_model_len": LONGEST,
        "token_ids": "as sent",
        "rewards": "raw logits",
        "heads": 1,
    }


def test_a_server_of_another_task_is_refused(servers: Any, model: Path, policy: Path) -> None:
    judge = reward_client(model, runtime(servers["judge"][0]), served_model="policy")
    with pytest.raises(RecipeError, match="is it a reward model, started with `--runner pooling`"):
        judge.check()
    elsewhere = Runtime(servers={"ches": servers["rm"]}, retries=0)
    wrong = hidden_client(policy, elsewhere, served_model="rm")
    with pytest.raises(RecipeError, match="start it with `--runner pooling --convert embed"):
        wrong.check()


def hidden_client(policy: Path, runtime: Runtime, **more: Any) -> HiddenStatesClient:
    settings = {"kind": "ches/vllm", "served_model": "policy", "max_tokens": LONGEST}
    measure = VllmChes(**{**settings, "weights": Weights(model=str(policy)), **more})
    return HiddenStatesClient(measure.server(Inputs()), runtime)


def test_states_from_a_server_are_those_of_the_model_in_process(servers: Any, policy: Path) -> None:
    rng = np.random.default_rng(0)
    sequences = [
        PromptResponse(rng.integers(3, 250, size=p).tolist(), rng.integers(3, 250, size=r).tolist())
        for p, r in ((1, 1), (30, 1), (1, 200), (90, 45), (700, 600))
    ]
    beginnings = [Beginning(2, 7), Beginning(4, 600)]
    remote = hidden_client(policy, Runtime(servers=servers))

    (facts,) = remote.check()
    found = remote.read(sequences, beginnings)

    here = LocalHiddenStates(Model(model=str(policy)), Runtime(), dtype="float32")
    expected = here.read(sequences, beginnings)
    assert facts["width"] == found.sums.shape[1]
    assert found.sums == pytest.approx(expected.sums, rel=1e-4, abs=1e-3)
    assert found.firsts == pytest.approx(expected.firsts, rel=1e-4, abs=1e-3)


def test_ches_through_servers_equals_ches_in_process(
    servers: Any, policy: Path, tmp_path: Path, write_lines: Any
) -> None:
    write_lines(
        [explicit(f"Is it {n}?", f"Yes, it is {n}", f"Yes, no {n * 7}") for n in range(12)]
        + [explicit("Is it 3?", "Yes, it is 3", "Never")]
    )
    weights = f"weights: {{model: {policy}}}, max_tokens: {LONGEST}, store: float32"
    recipe = (
        "name: made\nsources: [{name: made, files: [rows.jsonl]}]\nmeasures:\n"
        f"  - {{kind: ches/transformers, name: here, {weights}}}\n"
        f"  - {{kind: ches/vllm, served_model: policy, {weights}}}\n"
    )

    facts = table(recipe, tmp_path, "facts", servers={"ches": servers["ches"]})

    sums = dict(
        table(recipe, tmp_path, "mean_states_here").select("response_id", "mean").iter_rows()
    )
    for row in facts.iter_rows(named=True):
        mean = np.array(sums[row["chosen_id"]])
        for form in ("normalized", "ln_div", "normalized_reversed"):
            scale = 1e-4 * float(mean @ mean)
            assert row[f"ches_{form}"] == pytest.approx(row[f"here_{form}"], abs=scale)
        assert row["ches"] == pytest.approx(row["here"], rel=1e-3)
        assert row["ches_shared_tokens"] == row["here_shared_tokens"]


def test_a_judge_gives_the_probabilities_of_its_model(
    servers: Any, policy: Path, tmp_path: Path, write_lines: Any
) -> None:
    from transformers import AutoModelForCausalLM

    write_lines([explicit(f"Is it {n}?", f"Yes {n}", f"No, never, {n}") for n in range(5)])
    recipe = (
        "name: made\nsources: [{name: made, files: [rows.jsonl]}]\nmeasures: [{kind: judge/vllm, "
        f"served_model: policy, max_tokens: {LONGEST}, weights: {{model: {policy}}}}}]\n"
    )

    facts = table(recipe, tmp_path, "facts", servers={"judge": servers["judge"]})

    model: Any = AutoModelForCausalLM.from_pretrained(policy, dtype=torch.float32).eval()
    chat = Chat(Model(model=str(policy)))
    a, b = (chat.ids(letter)[0] for letter in "AB")
    judge = VllmJudge(kind="judge/vllm", served_model="policy", weights=Weights(model=str(policy)))
    wording = Wording(judge.wording, judge.principle, judge.reasoning_tokens > 0)
    texts = dict(table(recipe, tmp_path, "responses").select("response_id", "messages").iter_rows())
    prompts = dict(table(recipe, tmp_path, "prompts").select("prompt_id", "messages").iter_rows())
    assert facts.height == 5
    for row in facts.iter_rows(named=True):
        said = [texts[row[f"{side}_id"]][0]["content"] for side in ("chosen", "rejected")]
        given = []
        for first, second in (said, said[::-1]):
            asked = render_question(wording, prompts[row["prompt_id"]], first, second)
            ids = chat.ids(chat.text([user(asked)], ask=True))
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([ids])).logits[0, -1]
            given.append(float(torch.softmax(logits[[a, b]], dim=0)[0]))
        expected = (given[0] + 1 - given[1]) / 2
        assert row["judge_probability"] == pytest.approx(expected, abs=1e-4)
        assert row["judge_position_bias"] == pytest.approx((given[0] - 1 + given[1]) / 2, abs=1e-4)
        assert row["judge_num_answers"] == 2


def test_a_server_that_is_killed_while_it_scores_is_started_again_and_nothing_is_lost(
    server: str, model: Path, alone: Any
) -> None:
    rng = np.random.default_rng(2)
    conversations = [rng.integers(3, 250, size=n % 90 + 5).tolist() for n in range(300)]
    patient = runtime(server, batch_rows=8, in_flight=2).model_copy(update={"retries": 12})
    answered: list[int] = []

    def kills(places: list[int], _rewards: Any) -> None:
        answered.extend(places)
        if len(answered) == 40:
            os.kill(listener(server), signal.SIGKILL)

    found = reward_client(model, patient).score(conversations, kills)

    assert sorted(answered) == list(range(300))
    sample = range(0, 300, 15)
    expected = [alone(conversations[place]) for place in sample]
    assert found[list(sample), 0] == pytest.approx(expected, abs=1e-4)


def listener(url: str) -> int:
    """Return the process that serves an address, found by its command line."""
    port = url.rpartition(":")[2]
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if (
            b"--port" in words
            and port.encode() in words
            and b"prefine.serve.vllm.guard" not in words
        ):
            return int(folder.name)
    raise AssertionError(f"no process serves {url}")


def test_embeddings_equal_those_of_sentence_transformers(
    servers: dict[str, tuple[str, ...]], encoder: Path, real_data: Path
) -> None:
    with gzip.open(real_data / "hh_rlhf_harmless/harmless-base/test.jsonl.gz", "rt") as stream:
        told = [json.loads(line)["chosen"] for _, line in zip(range(80), stream, strict=False)]
    texts = [*(text.rpartition("Assistant:")[2].strip() or "Hm." for text in told), "word " * 400]
    weights = Weights(model=str(encoder))
    config = Encoder(static=False, served_model="mini", max_tokens=128, weights=weights)
    served = served_encoder(config, Inputs())
    assert served is not None
    client = EmbedClient(served, config, Runtime(servers=servers, retries=0, batch_rows=16))

    checked = client.check()
    found = client.encode(texts, lambda _: None)

    assert [entry["token_ids"] for entry in checked] == ["as sent"]
    here = Encoder(static=False, weights=weights)
    plain = LocalEmbedder(here, Model(model=str(encoder)), Runtime())
    assert 1 <= sum(client.cuts(texts)) < 20
    assert client.cuts(texts) == plain.cuts(texts)
    expected = plain.encode(texts, lambda _: None)
    assert found == pytest.approx(expected, abs=1e-4)
    assert np.abs(expected[0] - expected[1]).max() > 0.01

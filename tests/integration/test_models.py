"""Rewards and CHES in process, against a simple computation."""

import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from transformers import AutoModel

from prefine.errors import DataError, IntegrityError, RecipeError, ServiceError
from prefine.planning import make_plan, run_plan
from prefine.planning.look import read_table
from prefine.recipe import parse_recipe
from prefine.serve.chat import Chat, PromptResponse
from prefine.serve.local.batches import group_by_budget, group_by_length
from prefine.serve.local.hidden import LocalHiddenStates
from prefine.serve.local.packed import PACKABLE
from prefine.serve.local.reward import LocalReward
from prefine.serve.scores import require_finite
from prefine.serve.states import Beginning
from prefine.serve.weights import resolved_model
from prefine.settings import Model, Runtime, Weights
from prefine.step import Manifest, Step
from tests.made import assistant, byte_tokenizer, explicit, llama, run_recipe, table, turn, user

SAYINGS = [
    "Yes.",
    "No, not at all.",
    "Perhaps, if it rains tomorrow and the roof holds.",
    "x" * 300,
]


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return llama("policy", tmp_path_factory.mktemp("policy"))


@pytest.fixture(scope="module")
def reward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return llama("reward", tmp_path_factory.mktemp("reward"), pad_token_id=0)


def local_reward(folder: Path, runtime: Runtime) -> LocalReward:
    return LocalReward(Model(model=str(folder)), runtime, dtype="float32", num_heads=1)


def local_states(folder: Path, runtime: Runtime, **more: Any) -> LocalHiddenStates:
    return LocalHiddenStates(Model(model=str(folder)), runtime, dtype="float32", **more)


def conversations() -> list[list[int]]:
    rng = np.random.default_rng(0)
    return [rng.integers(3, 250, size=n).tolist() for n in (5, 40, 40, 7, 7, 123, 1)]


def alone(folder: Path, ids: list[int]) -> float:
    """Score one conversation in the way a user would write down first."""
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        return float(model(input_ids=torch.tensor([ids])).logits[0, 0])


@pytest.mark.parametrize("batch_tokens", [1, 90, 100_000])
def test_rewards_are_those_of_each_conversation_alone(reward: Path, batch_tokens: int) -> None:
    model = local_reward(reward, Runtime(batch_tokens=batch_tokens))

    found = model.score(conversations())

    assert found.shape == (7, 1)
    assert found.dtype == np.float32
    expected = [alone(reward, ids) for ids in conversations()]
    assert found[:, 0] == pytest.approx(expected, abs=1e-5)
    assert min(expected) < 0 or max(expected) > 1


def test_a_model_without_a_padding_id_pools_its_last_token(tmp_path: Path) -> None:
    folder = llama("reward", tmp_path, pad_token_id=None)

    found = local_reward(folder, Runtime(batch_tokens=100_000)).score([[5, 6, 7], [8, 9, 10]])

    assert found[:, 0] == pytest.approx(
        [alone(folder, [5, 6, 7]), alone(folder, [8, 9, 10])], abs=1e-5
    )


def test_a_reward_that_is_no_number_is_an_error() -> None:
    with pytest.raises(IntegrityError, match="1 of 2 rewards are not finite"):
        require_finite(np.array([[1.0], [np.nan]], np.float32))


def test_batches_hold_every_row_once_and_keep_the_budget() -> None:
    lengths = [5, 9, 2, 9, 9, 30, 1]

    for make in (group_by_budget, group_by_length):
        batches = list(make(lengths, 20))
        assert sorted(i for batch in batches for i in batch) == list(range(7))
        for batch in batches:
            longest = max(lengths[i] for i in batch)
            assert len(batch) == 1 or len(batch) * longest <= 20
    assert all(len({lengths[i] for i in batch}) == 1 for batch in group_by_length(lengths, 20))


def ches_of_states(
    policy: Path, prompt: list[int], chosen: list[int], rejected: list[int]
) -> tuple[float, float]:
    """Compute CHES from hooked pre-norm states, with the norm and the double sum written out."""
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(policy, dtype=torch.float32).eval()
    caught: list[torch.Tensor] = []
    model.model.norm.register_forward_hook(lambda _m, inputs, _o: caught.append(inputs[0]))
    weight = model.model.norm.weight.detach().numpy().astype(np.float64)
    states: list[np.ndarray] = []
    for response in (chosen, rejected):
        with torch.no_grad():
            model(input_ids=torch.tensor([[*prompt, *response]]))
        before = caught.pop()[0].numpy().astype(np.float64)
        scale = np.sqrt((before**2).mean(axis=1, keepdims=True) + model.config.rms_norm_eps)
        after = before / scale * weight
        states.append(after[len(prompt) - 1 : len(prompt) + len(response) - 1])
    plus, minus = states
    across = sum(float(a @ b) for a in plus for b in minus)
    within = sum(float(a @ b) for a in plus for b in plus)
    n, m = len(plus), len(minus)
    return across - within, across / (n * m) - within / n**2


@pytest.mark.parametrize("batch_tokens", [1, 64, 100_000])
@pytest.mark.parametrize("padding_side", ["left", "right"])
def test_ches_is_the_double_sum_over_states_of_each_pair_alone(
    policy: Path, tmp_path: Path, batch_tokens: int, padding_side: str, write_lines: Any
) -> None:
    settings = json.loads((policy / "tokenizer_config.json").read_text())
    folder = tmp_path / "policy"
    copytree(policy, folder)
    changed = {**settings, "padding_side": padding_side}
    (folder / "tokenizer_config.json").write_text(json.dumps(changed))
    rows = [
        explicit(f"Will it {n}?", a, b) for n, a in enumerate(SAYINGS) for b in SAYINGS if a != b
    ]
    write_lines(rows)
    weights = f"weights: {{model: {folder}}}, max_tokens: 4096"
    recipe = (
        "name: made\nsources: [{name: made, files: [rows.jsonl]}]\n"
        f"measures: [{{kind: ches/transformers, {weights}}}]\n"
    )
    facts = table(recipe, tmp_path, "facts", batch_tokens=batch_tokens)
    responses = {
        name: messages[0]["content"]
        for name, messages in table(recipe, tmp_path, "responses")
        .select("response_id", "messages")
        .iter_rows()
    }
    asked = table(recipe, tmp_path, "prompts").select("prompt_id", "messages")
    prompts: dict[str, Any] = dict(asked.iter_rows())
    chat = Chat(Model(model=str(policy)))

    assert facts.height == len(rows)
    for row in facts.sort("pair_id").head(5).iter_rows(named=True):
        prompt, chosen, rejected = (
            chat.prompt_response(prompts[row["prompt_id"]], [assistant(responses[row[side]])])
            for side in ("chosen_id", "chosen_id", "rejected_id")
        )
        raw, normal = ches_of_states(policy, prompt.prompt, chosen.response, rejected.response)
        scale = mean_square(policy, chosen)
        assert row["ches"] == pytest.approx(raw, rel=1e-4)
        assert row["ches_normalized"] == pytest.approx(normal, abs=1e-4 * scale)


def mean_square(policy: Path, ids: PromptResponse) -> float:
    total = local_states(policy, Runtime()).read([ids])[0][0].astype(np.float64)
    mean = total / len(ids.response)
    return float(mean @ mean)


TINY = {
    "vocab_size": 300,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 32,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
}


@pytest.mark.parametrize("kind", sorted(PACKABLE))
def test_responses_that_share_a_row_get_the_states_they_get_alone(
    tmp_path: Path, kind: str
) -> None:
    from transformers import AutoConfig

    torch.manual_seed(0)
    settings = TINY if kind != "mistral" else {**TINY, "sliding_window": None}
    model: Any = AutoModel.from_config(AutoConfig.for_model(kind, **settings)).float().eval()
    model.save_pretrained(tmp_path)
    rng = np.random.default_rng(0)
    prompts = [rng.integers(3, 299, size=n).tolist() for n in (1, 9, 30)]
    sequences = [
        PromptResponse(prompt, rng.integers(3, 299, size=n).tolist())
        for n in (1, 12, 5, 40)
        for prompt in prompts
    ]
    beginnings = [Beginning(4, 3), Beginning(11, 1), Beginning(4, 12)]
    expected = [states_alone(model, *sequence) for sequence in sequences]

    hidden = local_states(tmp_path, Runtime(batch_tokens=200))
    found, firsts, *_ = hidden.read(sequences, beginnings)

    assert hidden.packs
    assert found == pytest.approx(np.stack([s.sum(axis=0) for s in expected]), rel=1e-4, abs=1e-4)
    wanted = np.stack([expected[index][:count].sum(axis=0) for index, count in beginnings])
    assert firsts == pytest.approx(wanted, rel=1e-4, abs=1e-4)


def test_a_model_with_a_window_gets_a_row_for_each_response(tmp_path: Path) -> None:
    from transformers import MistralConfig, MistralModel

    torch.manual_seed(0)
    model: Any = MistralModel(MistralConfig(**TINY, sliding_window=8)).eval()
    model.save_pretrained(tmp_path)
    sequences = [PromptResponse(list(range(5, 25)), list(range(30 + n, 50))) for n in (0, 3)]
    alone = [states_alone(model, *sequence).sum(axis=0) for sequence in sequences]

    hidden = local_states(tmp_path, Runtime())
    found, *_ = hidden.read(sequences)

    assert not hidden.packs
    assert found == pytest.approx(np.stack(alone), rel=1e-4, abs=1e-4)


def states_alone(model: Any, prompt: list[int], response: list[int]) -> np.ndarray:
    with torch.no_grad():
        found = model(input_ids=torch.tensor([[*prompt, *response[:-1]]])).last_hidden_state
    return found[0, len(prompt) - 1 :].double().numpy()


def test_ches_from_the_first_differing_token_leaves_out_what_is_shared(
    policy: Path, tmp_path: Path, write_lines: Any
) -> None:
    said = ["Yes, of course not.", "Yes, of course it is, and more.", "No."]
    pairs = [(a, b) for a in said for b in said]
    write_lines([explicit("Well?", a, b) for a, b in pairs])
    weights = f"weights: {{model: {policy}}}, store: float32"
    recipe = (
        "name: made\nsources: [{name: made, files: [rows.jsonl]}]\n"
        f"measures: [{{kind: ches/transformers, {weights}}}]\n"
    )
    facts = table(recipe, tmp_path, "facts")
    texts = dict(table(recipe, tmp_path, "responses").select("response_id", "messages").iter_rows())
    chat = Chat(Model(model=str(policy)))
    ids = {
        name: chat.prompt_response([user("Well?")], [assistant(messages[0]["content"])])
        for name, messages in texts.items()
    }
    model: Any = AutoModel.from_pretrained(policy, dtype=torch.float32).eval()
    states = {name: states_alone(model, *pair) for name, pair in ids.items()}

    for row in facts.iter_rows(named=True):
        a, b = row["chosen_id"], row["rejected_id"]
        if a == b:
            assert row["ches_ln_div"] is None
            assert row["ches"] == 0.0
            continue
        shared = row["ches_shared_tokens"]
        assert ids[a].response[:shared] == ids[b].response[:shared]
        assert ids[a].response[shared] != ids[b].response[shared]
        plus, minus = (states[name][shared:].mean(axis=0) for name in (a, b))
        scale = 1e-4 * float(plus @ plus)
        assert row["ches_ln_div"] == pytest.approx(float(plus @ (minus - plus)), abs=scale)
        back = float(minus @ (plus - minus))
        assert row["ches_ln_div_reversed"] == pytest.approx(back, abs=1e-4 * float(minus @ minus))
    stored = table(recipe, tmp_path, "mean_states_ches")
    assert set(stored["response_id"]) == set(states)
    for name, count, mean in stored.iter_rows():
        assert count == len(states[name])
        assert mean == pytest.approx(states[name].mean(axis=0), rel=1e-4, abs=1e-4)


def likelihood_alone(model: Any, prompt: list[int], response: list[int]) -> tuple[float, float]:
    """Sum of log-probabilities and mean entropy, by a loop over tokens."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([[*prompt, *response]])).logits[0].double()
    logp, entropy = 0.0, 0.0
    for place, token in enumerate(response):
        given = torch.log_softmax(logits[len(prompt) - 1 + place], dim=-1)
        logp += float(given[token])
        entropy -= float((given.exp() * given).sum())
    return logp, entropy / len(response)


@pytest.mark.parametrize("kind", ["llama", "gemma2", "granite", "cohere"])
def test_likelihoods_are_those_of_the_whole_model(tmp_path: Path, kind: str) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    more = {
        "llama": {},
        "gemma2": {"final_logit_softcapping": 2.0, "query_pre_attn_scalar": 32},
        "granite": {"logits_scaling": 3.0},
        "cohere": {"logit_scale": 0.25},
    }[kind]
    settings = AutoConfig.for_model(kind, **TINY, **more)
    model: Any = AutoModelForCausalLM.from_config(settings).float().eval()
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(8)
    model.save_pretrained(tmp_path)
    rng = np.random.default_rng(0)
    prompts = [rng.integers(3, 299, size=n).tolist() for n in (1, 9)]
    sequences = [
        PromptResponse(prompt, rng.integers(3, 299, size=n).tolist())
        for n in (1, 12, 40)
        for prompt in prompts
    ]
    expected = [likelihood_alone(model, *sequence) for sequence in sequences]

    found = local_states(tmp_path, Runtime(batch_tokens=120), likelihoods=True).read(sequences)

    assert found.logps == pytest.approx([logp for logp, _ in expected], rel=1e-4)
    assert found.entropies == pytest.approx([entropy for _, entropy in expected], rel=1e-4)
    assert 0.1 < found.entropies.min() < found.entropies.max() < np.log(TINY["vocab_size"])


def test_likelihoods_come_from_the_pass_of_ches_or_from_one_of_their_own(
    policy: Path, tmp_path: Path, write_lines: Any
) -> None:
    write_lines([explicit("A?", said, "No.") for said in SAYINGS])
    head = "name: made\nsources: [{name: made, files: [rows.jsonl]}]\nmeasures: ["
    likelihood = f"{{kind: policy/transformers, max_tokens: 200, weights: {{model: {policy}}}}}"
    ches = f"{{kind: ches/transformers, max_tokens: 200, weights: {{model: {policy}}}}}"
    columns = [f"{s}_policy_{c}" for s in ("chosen", "rejected") for c in ("logp", "entropy")]
    columns += ["policy_logp_margin", "policy_reason", "chosen_policy_tokens", "pair_id"]

    own = table(f"{head}{likelihood}]\n", tmp_path, "facts").select(columns)
    plan, runtime = run_recipe(f"{head}{likelihood}, {ches}]\n", tmp_path)
    shared = read_table(plan, runtime, "facts").select(columns)

    assert "policy_policy" not in [step.name for step in plan.steps]
    assert own.equals(shared)
    margins = own["chosen_policy_logp"] - own["rejected_policy_logp"]
    assert own["policy_logp_margin"].equals(margins.alias("policy_logp_margin"))
    assert own["policy_reason"].to_list().count("too_long") == 1
    assert own["chosen_policy_logp"].null_count() == 1
    assert sorted(own["chosen_policy_tokens"]) == [
        len(said) + 1 for said in sorted(SAYINGS, key=len)
    ]


class CutOff:
    """A watcher that ends a step after some of its chunks."""

    def __init__(self, name: str, chunks: int) -> None:
        self.name = name
        self.left = chunks
        self.running = ""

    def start(self, step: Step, done: int) -> None:
        self.running = step.name

    def advance(self, step: Step, manifest: Manifest) -> None: ...

    def expect(self, count: int) -> None: ...

    def done(self, count: int) -> None:
        self.left -= self.running == self.name
        if not self.left:
            raise ServiceError("cut off")


@contextmanager
def tokens_read() -> Generator[list[int]]:
    """Count the token ids that any model of torch embeds."""
    counts: list[int] = []

    def count(module: torch.nn.Module, inputs: Any, _: Any) -> None:
        if isinstance(module, torch.nn.Embedding):
            counts.append(inputs[0].numel())

    hook = torch.nn.modules.module.register_module_forward_hook(count)
    yield counts
    hook.remove()


def test_chunks_of_pairs_that_were_scored_are_not_scored_again(
    policy: Path, tmp_path: Path, write_lines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lines([explicit(f"Is it {n}?", f"Yes {n}", f"No {n}") for n in range(9)])
    recipe = (
        "name: made\nsources: [{name: made, files: [rows.jsonl]}]\nmeasures: "
        f"[{{kind: ches/transformers, store: float16, weights: {{model: {policy}}}}}, "
        f"{{kind: policy/transformers, weights: {{model: {policy}}}}}]\n"
    )
    monkeypatch.setattr("prefine.tables.conversations._CHUNK", 4)
    with tokens_read() as whole:
        run_recipe(recipe, tmp_path, root=str(tmp_path / "whole"))
    settings = Runtime(root=str(tmp_path / "root"), data=str(tmp_path))
    plan = make_plan(parse_recipe(recipe), settings)

    with tokens_read() as done, pytest.raises(ServiceError, match="cut off"):
        run_plan(plan, settings, CutOff("measure_ches", 2))
    with tokens_read() as again:
        run_plan(plan, settings)

    facts = read_table(plan, settings, "facts")
    # a model that is loaded reads two probes first
    assert [*done, *again[2:]] == whole
    assert 0 < sum(again) < sum(done)
    assert facts["ches"].null_count() == facts["chosen_policy_logp"].null_count() == 0
    assert read_table(plan, settings, "mean_states_ches").height == 18
    assert not list(tmp_path.rglob("*.partial"))


def test_left_padding_with_mask_and_positions_gives_the_same_sums(policy: Path) -> None:
    model: Any = AutoModel.from_pretrained(policy, dtype=torch.float32).eval()
    pairs = [PromptResponse([5, 6, 7], [8, 9]), PromptResponse([5] * 9, [10] * 6)]
    inputs = [[*p.prompt, *p.response[:-1]] for p in pairs]
    longest = max(map(len, inputs))
    ids, real, mask = (torch.zeros(2, longest, dtype=torch.long) for _ in range(3))
    for row, (pair, ids_) in enumerate(zip(pairs, inputs, strict=True)):
        start = longest - len(ids_)
        ids[row, start:] = torch.tensor(ids_)
        real[row, start:] = 1
        mask[row, start + len(pair.prompt) - 1 :] = 1
    positions = (real.cumsum(dim=1) - 1).clamp(min=0)
    with torch.no_grad():
        out = model(input_ids=ids, attention_mask=real, position_ids=positions)
        expected = torch.einsum("bt,btd->bd", mask.float(), out.last_hidden_state).numpy()
        blind = model(input_ids=ids).last_hidden_state
        wrong = torch.einsum("bt,btd->bd", mask.float(), blind).numpy()

    found, *_ = local_states(policy, Runtime(batch_tokens=1000)).read(pairs)

    assert found == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert np.abs(found - wrong).max() > 0.1


def test_identical_responses_have_a_ches_of_zero_and_long_ones_none(
    policy: Path, tmp_path: Path, write_lines: Any
) -> None:
    write_lines([explicit("A?", "same", "same"), explicit("B?", "y" * 500, "no")])
    measure = f"{{kind: ches/transformers, weights: {{model: {policy}}}, max_tokens: 200}}"
    recipe = (
        "name: made\nsources: [{name: made, files: [rows.jsonl]}]\n"
        f"measures: [{measure}]\n"
        "rules: [{name: alike, column: ches_normalized, maximum: 1000, missing: hold}]\n"
        "structure: {identical: hold}\n"
    )
    facts = table(recipe, tmp_path, "facts")
    by_length_ = facts.sort("is_identical").select("ches", "ches_normalized", "ches_reason").rows()

    assert by_length_ == [(None, None, "too_long"), (0.0, 0.0, None)]
    decided = table(recipe, tmp_path, "decisions").sort("rule").select("verdict", "rule").rows()
    assert decided == [("hold", "alike"), ("hold", "identical")]


def test_the_order_of_pairs_by_ches_does_not_depend_on_a_swap(
    policy: Path, tmp_path: Path, write_lines: Any
) -> None:
    write_lines([explicit("A?", "one thing", "another one"), explicit("B?", "so", "or so or so")])
    recipe = (
        "name: made\nsources: [{name: made, files: [rows.jsonl]}]\n"
        f"measures: [{{kind: ches/transformers, weights: {{model: {policy}}}, max_tokens: 4096}}]\n"
        "rules: [{name: turn, column: votes_for, flip_when: {minimum: 1}}]\n"
    )
    plan, runtime = run_recipe(recipe, tmp_path)
    shard = next(Path(runtime.root).glob("export-*/data/*.parquet"))
    turned = pl.read_parquet(shard).sort("pair_id")
    facts = table(recipe, tmp_path, "facts").sort("pair_id")

    assert plan.recipe.name == "made"
    assert turned["ches"].to_list() == facts["ches_reversed"].to_list()
    assert turned["ches_normalized_reversed"].to_list() == facts["ches_normalized"].to_list()


def test_prompt_and_response_are_tokenised_apart() -> None:
    chat = made_chat()
    prompt = [turn("system", "Be brief."), user("Hi?")]

    found = chat.prompt_response(prompt, [assistant("Hello.")])
    decode = chat.tokenizer.decode

    assert decode(found.prompt).endswith("<|im_start|>assistant\n")
    assert decode(found.response) == "Hello.<|im_end|>"
    whole = chat.conversation([*prompt, assistant("Hello.")])
    assert decode(whole) == decode(found.prompt) + decode(found.response) + "\n"
    assert decode(whole).count("Be brief.") == 1


def test_a_response_of_several_turns_keeps_the_turns_between() -> None:
    chat = made_chat()

    found = chat.prompt_response([user("Hi?")], [assistant("A"), user("And?"), assistant("B")])

    said = chat.tokenizer.decode(found.response)
    assert said == (
        "A<|im_end|>\n<|im_start|>user\nAnd?<|im_end|>\n<|im_start|>assistant\nB<|im_end|>"
    )


def made_chat(template: str | None = None) -> Chat:
    chat = Chat.__new__(Chat)
    chat.tokenizer = byte_tokenizer()
    chat.name = "made"
    if template is not None:
        chat.tokenizer.chat_template = template
    return chat


def test_a_template_that_refuses_a_role_is_one_sentence() -> None:
    chat = made_chat("{{ raise_exception('no system turns') }}")

    with pytest.raises(DataError, match=r"template of made cannot render the turns `system user`"):
        chat.conversation([turn("system", "x"), user("y")])


def test_a_model_without_template_asks_for_one(tmp_path: Path) -> None:
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path)

    with pytest.raises(RecipeError, match="has no chat template"):
        Chat(Model(model=str(tmp_path)))


def test_tokens_are_counted_by_the_named_tokenizer(
    policy: Path, tmp_path: Path, write_lines: Any
) -> None:
    write_lines([explicit("Käse?", "ja", "nein")])
    recipe = (
        "name: made\nsources: [{name: made, files: [rows.jsonl]}]\n"
        f"measures: [{{kind: lengths, tokenizer: {{model: {policy}}}}}]\n"
    )
    row = table(recipe, tmp_path, "measure_lengths").row(0, named=True)

    assert (row["prompt_tokens"], row["prompt_chars"]) == (6, 5)
    assert (row["chosen_tokens"], row["rejected_tokens"], row["tokens_gap"]) == (2, 4, -2)


def test_tokens_are_those_of_the_turns_and_not_of_what_joins_them(
    policy: Path, tmp_path: Path, write_lines: Any
) -> None:
    row = explicit("", "ja", "nein")
    write_lines([row | {"prompt": [user("a"), assistant("b"), user("c")]}])
    recipe = (
        "name: made\nsources: [{name: made, files: [rows.jsonl]}]\n"
        f"measures: [{{kind: lengths, tokenizer: {{model: {policy}}}}}]\n"
    )
    row = table(recipe, tmp_path, "measure_lengths").row(0, named=True)

    assert (row["prompt_tokens"], row["prompt_chars"]) == (3, 3)


def test_pairs_are_built_from_measured_rewards(
    reward: Path, tmp_path: Path, write_lines: Any
) -> None:
    said = ["one", "two more", "three of them here", "4"]
    write_lines([{"prompt": "?", "all_generated_responses": said, "all_rm_scores": [None] * 4}])
    recipe = (
        "name: made\nsources: [{name: made, files: [rows.jsonl]}]\n"
        "pairs: {use: [reward], reward: rm, select: all}\n"
        f"measures: [{{kind: reward/transformers, name: rm, weights: {{model: {reward}}}}}]\n"
    )
    facts = table(recipe, tmp_path, "facts")

    assert facts.height == 6
    assert (facts["rm_margin"] > 0).all()
    assert facts["rm_margin"].to_list() == pytest.approx(facts["strength"].to_list(), abs=1e-6)
    assert set(facts["label_source"]) == {"reward"}


def test_several_models_are_compared_each_on_its_own_scale(
    tmp_path: Path, write_lines: Any
) -> None:
    rows = [explicit(f"Is it {n}?", f"{a} {n}", f"{b} {n}") for n in range(8) for a, b in ODD]
    write_lines(rows, "one.jsonl")
    write_lines([explicit(f"Why {n}?", "So.", "Because.") for n in range(5)], "two.jsonl")
    folders = [llama("reward", tmp_path / f"m{n}", seed=n, pad_token_id=0) for n in range(3)]
    models = [
        f"  - {{kind: reward/transformers, name: m{n}, weights: {{model: {folder}}}}}\n"
        for n, folder in enumerate(folders)
    ]
    recipe = (
        "name: made\nshards: 2\nsources:\n  - {name: one, files: [one.jsonl]}\n"
        "  - {name: two, files: [two.jsonl]}\nmeasures:\n"
        + "".join(models)
        + "  - {kind: reward/agreement, models: [m0, m1, m2]}\n"
    )
    plan, runtime = run_recipe(recipe, tmp_path)
    facts = read_table(plan, runtime, "facts")
    prompts = read_table(plan, runtime, "prompts").select("prompt_id", "source")
    responses = read_table(plan, runtime, "responses").select("response_id", "prompt_id")
    scales = {
        f"m{n}": responses.join(prompts, on="prompt_id")
        .join(read_table(plan, runtime, f"reward_m{n}"), on="response_id")
        .group_by("source")
        .agg(pl.col("reward").cast(float).mean().alias("mean"), pl.col("reward").std(ddof=0))
        for n in range(3)
    }

    assert facts.height == len(rows) + 5
    for row in facts.iter_rows(named=True):
        margins: list[float] = []
        for name, known in scales.items():
            _, mean, std = known.row(by_predicate=pl.col("source") == row["source"])
            margins.append(row[f"{name}_margin"] / std)
            scaled = (row[f"chosen_{name}"] - mean) / std
            assert row[f"chosen_{name}_scaled"] == pytest.approx(scaled, abs=1e-5)
            assert 0 <= row[f"rejected_{name}_percentile"] <= 1
        assert row["rewards_agreement"] == pytest.approx(np.mean(np.array(margins) > 0))
        assert row["rewards_margin_mean"] == pytest.approx(np.mean(margins), abs=1e-5)
        assert row["rewards_margin_std"] == pytest.approx(np.std(margins), abs=1e-5)
    ordered = facts.sort("chosen_m0").filter(source="one")
    assert ordered["chosen_m0_percentile"].is_sorted()
    assert facts.filter(source="one")["chosen_m0_percentile"].n_unique() > 10


ODD = [("Yes, it is", "No"), ("Surely not", "It may well be, who knows"), ("A", "Bee")]


def test_each_head_of_a_model_needs_a_name_and_is_a_reward(
    tmp_path: Path, write_lines: Any
) -> None:
    from transformers import AutoModelForSequenceClassification

    folder = llama("reward", tmp_path / "model", num_labels=2, pad_token_id=0)
    write_lines([explicit("A?", "b", "c")])
    recipe = (
        "name: made\nsources: [{name: made, files: [rows.jsonl]}]\n"
        f"measures: [{{kind: reward/transformers, name: rm, weights: {{model: {folder}}}HEADS}}]\n"
    )
    with pytest.raises(RecipeError, match="has 2 heads, the recipe names 1;"):
        table(recipe.replace("HEADS", ""), tmp_path, "facts")

    found = table(recipe.replace("HEADS", ", heads: [help, harm]"), tmp_path, "facts").row(
        0, named=True
    )

    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    chat = Chat(Model(model=str(folder)))
    for side, said in (("chosen", "b"), ("rejected", "c")):
        ids = torch.tensor([chat.conversation([user("A?"), assistant(said)])])
        with torch.no_grad():
            expected = model(input_ids=ids).logits[0].tolist()
        assert [found[f"{side}_rm_help"], found[f"{side}_rm_harm"]] == pytest.approx(expected)
    margin = found["chosen_rm_harm"] - found["rejected_rm_harm"]
    assert found["rm_harm_margin"] == pytest.approx(margin)


def test_a_model_without_its_head_is_refused(policy: Path) -> None:
    with pytest.raises(
        RecipeError, match=r"has no weights for score\.weight \(they would be randomly initialised"
    ):
        local_reward(policy, Runtime())


def test_a_model_folder_whose_files_changed_is_refused(tmp_path: Path) -> None:
    folder = llama("reward", tmp_path, pad_token_id=0)
    model = resolved_model(Weights(model=str(folder)))
    (folder / "config.json").write_text((folder / "config.json").read_text() + " ")

    with pytest.raises(RecipeError, match="not the one that the run was planned with"):
        LocalReward(model, Runtime(), dtype="float32", num_heads=1)
    with pytest.raises(RecipeError, match="the recipe's `sha256` differs"):
        resolved_model(Weights(model=str(folder), sha256=model.digest))


def test_a_hub_model_without_revision_must_be_pinned() -> None:
    named = Weights(model="owner/name", revision="abc")

    assert resolved_model(named) == Model(model="owner/name", revision="abc")
    with pytest.raises(ServiceError, match="set `revision`, or use a folder"):
        resolved_model(Weights(model="owner/name"))


def test_a_hub_that_cannot_be_reached_is_a_service_error() -> None:
    code = (
        "from prefine.errors import ServiceError\n"
        "from prefine.serve.weights import resolved_model\n"
        "from prefine.settings import Weights\n"
        "try:\n"
        "    resolved_model(Weights(model='owner/name'))\n"
        "except ServiceError as error:\n"
        "    print(error)\n"
    )
    unreachable = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0"}
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **unreachable},
        capture_output=True,
        text=True,
        check=True,
    )

    assert "did not return the revision of owner/name" in ended.stdout


def test_a_folder_without_a_model_and_an_unknown_device_are_one_sentence(
    tmp_path: Path, reward: Path
) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(RecipeError, match="cannot load"):
        local_reward(tmp_path, Runtime())
    with pytest.raises(RecipeError, match="cannot load"):
        Chat(Model(model=str(tmp_path)))
    with pytest.raises(RecipeError, match="the device `gpu0` cannot be used"):
        local_reward(reward, Runtime(device="gpu0"))


def test_states_that_are_no_numbers_are_an_error(tmp_path: Path) -> None:
    folder = llama("policy", tmp_path)
    from safetensors.torch import load_file, save_file

    broken = load_file(folder / "model.safetensors")
    broken["model.norm.weight"][0] = float("nan")
    save_file(broken, folder / "model.safetensors", {"format": "pt"})

    with pytest.raises(IntegrityError, match="sums of hidden states are not finite"):
        local_states(folder, Runtime()).read([PromptResponse([1, 2], [3, 4])])

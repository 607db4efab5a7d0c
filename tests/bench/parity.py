"""Rewards and CHES of real pairs: vLLM, transformers in process, and the plainest reference.

    python tests/bench/parity.py DATA [--pairs 500] [--engine .venv-vllm/bin/python] [--json FILE]

DATA is the folder that holds hh_rlhf_harmless. The models are random Llamas (256 wide, 4 layers,
float32) with a byte-pair tokenizer that is trained on the pairs. The reference scores every
conversation alone and keeps the states in float64. Differences of the normalised CHES are relative
to the squared mean state of the chosen response, those of the rest to the value itself.
"""

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from report import machine, print_table, write_json
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    PreTrainedTokenizerFast,
)

from prefine.measure.ches.scores import ches
from prefine.planning import Plan, make_plan, run_plan
from prefine.planning.look import read_table
from prefine.planning.servers import served
from prefine.recipe import parse_recipe
from prefine.serve.chat import Chat
from prefine.settings import Model, Runtime

LONGEST = 4096
_SPECIAL = ["<pad>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] + '\n' + m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
RECIPE = """
name: parity
sources: [{{name: hh, files: [hh_rlhf_harmless/harmless-base/test.jsonl.gz], format: hh}}]
measures:
  - {{kind: reward/vllm, name: rm_served, served_model: rm, dtype: float32, {reward}}}
  - {{kind: reward/transformers, name: rm_here, {reward}}}
  - {{kind: ches/vllm, name: ches_served, served_model: policy, dtype: float32, {policy}}}
  - {{kind: ches/transformers, name: ches_here, {policy}}}
"""


def tokenizer_of(texts: list[str]) -> Any:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=4096, special_tokens=_SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="<|im_end|>",
    )
    fast.chat_template = TEMPLATE
    return fast


def made_models(folder: Path, tokenizer: Any) -> None:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=256,
        intermediate_size=688,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        head_dim=64,
        max_position_embeddings=LONGEST,
        num_labels=1,
        pad_token_id=0,
    )
    reward: Any = LlamaForSequenceClassification(config)
    torch.nn.init.normal_(reward.score.weight, std=0.5)
    policy: Any = LlamaForCausalLM(config)
    with torch.no_grad():
        policy.model.norm.weight.copy_(torch.linspace(0.5, 1.5, config.hidden_size))
    for name, model in (("rm", reward), ("policy", policy)):
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)


def limited(data: Path, folder: Path, count: int) -> None:
    """Copy the first rows of the source, so that servers score no more than is compared."""
    import gzip

    below = "hh_rlhf_harmless/harmless-base/test.jsonl.gz"
    (folder / below).parent.mkdir(parents=True)
    with gzip.open(data / below, "rb") as whole, gzip.open(folder / below, "wb") as part:
        part.writelines(line for _, line in zip(range(count), whole, strict=False))


def reference(plan: Plan, runtime: Runtime, folder: Path) -> pl.DataFrame:
    """Score each pair alone, one response at a time."""
    reward: Any = AutoModelForSequenceClassification.from_pretrained(folder / "rm").eval()
    policy: Any = AutoModel.from_pretrained(folder / "policy").eval()
    chat = Chat(Model(model=str(folder / "policy")))
    prompts = dict(read_table(plan, runtime, "prompts").select("prompt_id", "messages").iter_rows())
    texts = dict(
        read_table(plan, runtime, "responses").select("response_id", "messages").iter_rows()
    )
    found: list[dict[str, Any]] = []
    for pair in read_table(plan, runtime, "pairs").iter_rows(named=True):
        asked = prompts[pair["prompt_id"]]
        rewards: list[float] = []
        states: list[np.ndarray] = []
        for side in (texts[pair["chosen_id"]], texts[pair["rejected_id"]]):
            ids = chat.prompt_response(asked, side)
            whole = torch.tensor([chat.conversation([*asked, *side])])
            fed = torch.tensor([[*ids.prompt, *ids.response[:-1]]])
            with torch.no_grad():
                rewards.append(float(reward(input_ids=whole).logits[0, 0]))
                out = policy(input_ids=fed).last_hidden_state[0, len(ids.prompt) - 1 :]
            states.append(out.double().numpy())
        sums = [one.sum(axis=0) for one in states]
        score = ches(sums[0], sums[1], len(states[0]), len(states[1]))
        mean = states[0].mean(axis=0)
        found.append(
            {
                "pair_id": pair["pair_id"],
                "reward": rewards[0],
                "ches": score.ches,
                "normalized": score.normalized,
                "scale": float(mean @ mean),
            }
        )
    return pl.DataFrame(found)


def compare(facts: pl.DataFrame) -> list[dict[str, Any]]:
    kinds = {
        "reward": ("chosen_rm_served", "chosen_rm_here", "reward"),
        "ches": ("ches_served", "ches_here", "ches"),
        "ches_normalized": ("ches_served_normalized", "ches_here_normalized", "normalized"),
    }
    found: list[dict[str, Any]] = []
    for quantity, (server, here, alone) in kinds.items():
        for name, a, b in (
            ("vLLM - transformers", server, here),
            ("vLLM - reference", server, alone),
            ("transformers - reference", here, alone),
        ):
            apart = (facts[a] - facts[b]).abs()
            scale = facts["scale"] if quantity == "ches_normalized" else facts[alone].abs()
            found.append(
                {
                    "quantity": quantity,
                    "compared": name,
                    "pairs": facts.height - apart.null_count(),
                    "largest_absolute": float(f"{apart.max():.2g}"),
                    "largest_relative": float(f"{(apart / scale).max():.2g}"),
                    "values_from": float(f"{facts[alone].min():.4g}"),
                    "values_to": float(f"{facts[alone].max():.4g}"),
                }
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--engine", default=".venv-vllm/bin/python")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        limited(args.data, folder, args.pairs)
        settings = Runtime(
            root=str(folder / "root"),
            data=str(folder),
            engine=str(Path(args.engine).absolute()),
            logs=str(folder / "logs"),
            start=("rm_served", "ches_served"),
        )
        (folder / "rm").mkdir()
        (folder / "policy").mkdir()
        first = parse_recipe(RECIPE.partition("measures")[0].format())
        plan = make_plan(first, settings)
        run_plan(plan, settings)
        texts = (
            read_table(plan, settings, "responses")["messages"].explode().struct.field("content")
        )
        made_models(folder, tokenizer_of(texts.to_list()))
        weights = {
            task: f"max_tokens: {LONGEST}, weights: {{model: {folder / model}}}"
            for task, model in (("reward", "rm"), ("policy", "policy"))
        }
        plan = make_plan(parse_recipe(RECIPE.format(**weights)), settings)
        with served(plan, settings) as ready:
            run_plan(plan, ready)
        facts = read_table(plan, settings, "facts")
        table = compare(facts.join(reference(plan, settings, folder), on="pair_id"))
    print_table(table)
    if args.json:
        write_json(args.json, {"machine": machine(), "pairs": args.pairs, "rows": table})


if __name__ == "__main__":
    main()

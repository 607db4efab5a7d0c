"""Shards as their real consumer sees them: TRL trains a step on each, with no change."""

from pathlib import Path
from typing import Any

import pytest
import torch

from prefine.planning import publish_plan
from tests.made import llama, run_recipe

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("distilled")]

PROMPTS = ("explicit", "implicit")
HH = "hh_rlhf_harmless/harmless-base/test.jsonl.gz"
RECIPE = """
name: trained
sources: [{{name: hh, files: [{hh}]}}]
measures: [{{kind: lengths}}, {{kind: cosine}}]
rules: [{{name: turned, column: chars_gap, flip_when: {{minimum: 900}}}}, {{budget: 48}}]
export: {{target: {{kind: trl, prompt: {prompt}}}, rows_per_shard: 20}}
"""


@pytest.fixture(scope="module", params=PROMPTS)
def shards(
    request: pytest.FixtureRequest, real_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    folder = tmp_path_factory.mktemp(request.param)
    recipe = RECIPE.format(hh=HH, prompt=request.param)
    plan, runtime = run_recipe(recipe, folder, data=str(real_data))
    publish_plan(plan, runtime, str(folder / "out"))
    return sorted((folder / "out" / "data").iterdir())


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    config = {"pad_token_id": 0, "max_position_embeddings": 32768}
    return {
        kind: llama(kind, tmp_path_factory.mktemp(kind), **config) for kind in ("policy", "reward")
    }


def trainer_of(kind: str, model: Path, data: Any, out: Path) -> Any:
    import trl
    from transformers import AutoTokenizer

    common = {
        "output_dir": str(out),
        "max_steps": 1,
        "per_device_train_batch_size": 4,
        "learning_rate": 1e-3,
        "use_cpu": True,
        "bf16": False,
        "report_to": "none",
        "save_strategy": "no",
        "disable_tqdm": True,
        "max_length": None,
        "gradient_checkpointing": False,
    }
    makers = {
        "dpo": (trl.DPOTrainer, trl.DPOConfig),
        "reward": (trl.RewardTrainer, trl.RewardConfig),
        "kto": (trl.KTOTrainer, trl.KTOConfig),
    }
    trainer, config = makers[kind]
    return trainer(
        model=str(model),
        args=config(**common),
        train_dataset=data,
        processing_class=AutoTokenizer.from_pretrained(model),
    )


@pytest.mark.parametrize("kind", ["dpo", "reward", "kto"])
def test_trl_trains_on_every_shard_and_drops_no_row(
    shards: list[Path], models: dict[str, Path], kind: str, tmp_path: Path
) -> None:
    import datasets

    assert len(shards) == 3
    for shard in shards:
        data = datasets.load_dataset(
            "parquet", data_files=str(shard), split="train", cache_dir=str(tmp_path / "cache")
        )
        model = models["reward" if kind == "reward" else "policy"]
        trainer = trainer_of(kind, model, data, tmp_path / "out")

        kept = len(trainer.train_dataset)
        assert kept == len(data) * (2 if kind == "kto" else 1)
        if kind != "kto":
            sides = [trainer.train_dataset[name] for name in ("chosen_ids", "rejected_ids")]
            assert all(a and b and a != b for a, b in zip(*sides, strict=True))
        before = {n: p.detach().clone() for n, p in trainer.model.named_parameters()}
        loss = trainer.train().training_loss

        assert torch.isfinite(torch.tensor(loss))
        after = dict(trainer.model.named_parameters())
        assert any(not torch.equal(before[n], after[n].detach()) for n in before)

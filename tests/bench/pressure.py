"""Whether pairs displace each other's chosen responses: CHES across pairs, against what DPO does.

    python tests/bench/pressure.py DATA [--seeds 3 4 5] [--pairs 384] [--steps 1500] [--json FILE]

DATA is the folder that holds hh_rlhf_harmless. A small Llama (128 wide, 2 layers, 1,500 BPE tokens)
is trained on the spot on its chosen transcripts, then by DPO (beta 0.1) on some of its pairs. The
output is the Spearman correlation of each signal with the fall of log p(chosen), per token, over
pairs, and the same once the length of the chosen response is taken out of both (ranks, a straight
line).

Definition. With S the sum of the states that predict a response's tokens, n their number, m = S/n,
and N(i) the k pairs j != i whose rejected responses have the largest <m(i+), m(j-)>:

    pressure(i)     = sum over j in N(i) of <m(i+), m(j-)> - <m(i+), m(j+)>
    raw_pressure(i) = the same with S in place of m, in N(i) too
    own_pressure(i) = raw_pressure(i) / n(i+): the decrease per token according to the derivation

The first is computed by the code of the measure.

Derivation. DPO moves the weights W of the head along  c(j) [G(j+) - G(j-)],  where c(j) > 0 and
G(y) = sum over tokens t of y of (e_t - p_t) h_t^T  is the gradient of log p(y). To first order the
step of pair j changes  log p(i+)  by  c(j) <G(i+), G(j+) - G(j-)>, and  <G(a), G(b)>  is the sum
over tokens s of a and t of b of  <e_s - p_s, e_t - p_t> <h_s, h_t>. CHES (j = i) puts 1 in place of
every coefficient <e_s - p_s, e_t - p_t>, which leaves <S(a), S(b)>. Across pairs the same leaves
<S(i+), S(j+)> - <S(i+), S(j-)>, whose negative, summed over j, is the pressure; it is summed over
near pairs alone, for the coefficients of unlike contexts are about 0 and not 1.
"""

import argparse
import gzip
import json
import random
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from report import machine, print_table, write_json
from scipy.stats import rankdata, spearmanr
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM

from prefine.measure.pressure import pressures
from prefine.search.index import build_index
from prefine.search.settings import Search
from prefine.settings import Runtime

_VOCABULARY, _WIDTH, _PAD, _END = 1500, 128, 0, 1
_NEIGHBOURS = (4, 16, 64)
_RATE, _BATCH, _EPOCHS, _BETA = 2e-4, 32, 2, 0.1

Sequence = tuple[list[int], list[int]]


class Said(NamedTuple):
    """The outputs of a policy for responses."""

    logp: np.ndarray
    sums: np.ndarray
    lengths: np.ndarray

    @property
    def means(self) -> np.ndarray:
        return self.sums / self.lengths[:, None]


def transcripts(data: Path) -> list[dict[str, str]]:
    path = data / "hh_rlhf_harmless/harmless-base/test.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def tokenizer_of(rows: list[dict[str, str]]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY,
        special_tokens=["<pad>", "<eos>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [row["chosen"] for row in rows] + [row["rejected"] for row in rows]
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def short_pairs(
    rows: list[dict[str, str]], tokenizer: Tokenizer
) -> list[tuple[Sequence, Sequence]]:
    """Return pairs of one prompt and two short responses."""
    found: list[tuple[Sequence, Sequence]] = []
    for row in rows:
        (asked, chosen), (other, rejected) = _split(row["chosen"]), _split(row["rejected"])
        short = len(asked) < 400 and all(10 < len(said) < 250 for said in (chosen, rejected))
        if asked == other and short and chosen != rejected:
            prompt = tokenizer.encode(asked).ids[-120:]
            sides = [[*tokenizer.encode(said).ids, _END] for said in (chosen, rejected)]
            found.append(((prompt, sides[0]), (prompt, sides[1])))
    return found


def _split(text: str) -> tuple[str, str]:
    mark = "\n\nAssistant:"
    end = text.rindex(mark) + len(mark)
    return text[:end], text[end:]


def policy() -> Any:
    config = LlamaConfig(
        vocab_size=_VOCABULARY,
        hidden_size=_WIDTH,
        intermediate_size=344,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=512,
        pad_token_id=_PAD,
        bos_token_id=None,
        eos_token_id=_END,
    )
    return LlamaForCausalLM(config)


def pretrain(model: Any, stream: list[int], steps: int, rng: random.Random) -> float:
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    loss = torch.zeros(())
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * (1 - step / steps)
        starts = [rng.randrange(len(stream) - 129) for _ in range(12)]
        ids = torch.tensor([stream[start : start + 129] for start in starts])
        logits = model(input_ids=ids[:, :-1]).logits.reshape(-1, _VOCABULARY)
        loss = torch.nn.functional.cross_entropy(logits, ids[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return float(loss.detach())


def read(model: Any, sequences: list[Sequence]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return log p and the sum of the states that predict the response, of each sequence."""
    longest = max(len(prompt) + len(said) for prompt, said in sequences)
    ids = torch.full((len(sequences), longest), _PAD)
    mask = torch.zeros(ids.shape, dtype=torch.bool)
    for row, (prompt, said) in enumerate(sequences):
        ids[row, : len(prompt) + len(said)] = torch.tensor([*prompt, *said])
        mask[row, len(prompt) : len(prompt) + len(said)] = True
    states = model.model(input_ids=ids, attention_mask=ids != _PAD).last_hidden_state[:, :-1]
    likely = model.lm_head(states).log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
    return (likely * mask[:, 1:]).sum(1), (states * mask[:, 1:, None]).sum(1)


def read_all(model: Any, sequences: list[Sequence]) -> Said:
    order = np.argsort([len(prompt) + len(said) for prompt, said in sequences])
    logp, sums = np.empty(len(order)), np.empty((len(order), _WIDTH))
    with torch.no_grad():
        for start in range(0, len(order), 64):
            mine = order[start : start + 64]
            found = read(model, [sequences[place] for place in mine])
            logp[mine], sums[mine] = found[0].numpy(), found[1].numpy()
    return Said(logp, sums, np.array([len(said) for _, said in sequences]))


def tune(
    model: Any,
    pairs: list[tuple[Sequence, Sequence]],
    before: tuple[np.ndarray, np.ndarray],
    rng: random.Random,
) -> None:
    """Tune by DPO; ``before`` has log p of chosen and rejected under the reference."""
    margins = torch.tensor(before[0] - before[1])
    optimizer = torch.optim.Adam(model.parameters(), lr=_RATE)
    order = list(range(len(pairs)))
    for _ in range(_EPOCHS):
        rng.shuffle(order)
        for start in range(0, len(order), _BATCH):
            mine = order[start : start + _BATCH]
            chosen, rejected = (read(model, [pairs[at][side] for at in mine])[0] for side in (0, 1))
            gains = _BETA * (chosen - rejected - margins[mine])
            loss = -torch.nn.functional.logsigmoid(gains).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def pressure(chosen: np.ndarray, rejected: np.ndarray, count: int) -> np.ndarray:
    """Return the pressure on each pair from its ``count`` nearest rejected responses."""
    pushing, pulling = chosen @ rejected.T, chosen @ chosen.T
    np.fill_diagonal(pushing, -np.inf)
    near = np.argsort(-pushing, axis=1)[:, :count]
    gained = np.take_along_axis(pushing, near, axis=1) - np.take_along_axis(pulling, near, axis=1)
    return gained.sum(axis=1)


def measured(chosen: Said, rejected: Said, count: int) -> np.ndarray:
    """Return the values of the measure for these pairs."""
    means, pushing = chosen.means.astype(np.float32), rejected.means.astype(np.float32)
    prompts = np.arange(len(pushing))
    names = [f"{number:06d}" for number in prompts]
    settings = {"config": Search(), "runtime": Runtime(), "seed": 0}
    with build_index(names, lambda: iter([(prompts, pushing)]), count=count, **settings) as (
        index,
        _,
    ):
        apart = pushing - means
        return pressures(index, means, apart, own=prompts, prompts=prompts, count=count)


def signals(chosen: Said, rejected: Said) -> dict[str, np.ndarray]:
    found = {
        "ches": np.einsum("nd,nd->n", chosen.sums, rejected.sums - chosen.sums),
        "ches_normalized": np.einsum("nd,nd->n", chosen.means, rejected.means - chosen.means),
    }
    for count in _NEIGHBOURS:
        found[f"pressure k={count}"] = measured(chosen, rejected, count)
        raw = pressure(chosen.sums, rejected.sums, count)
        found[f"raw_pressure k={count}"] = raw
        found[f"own_pressure k={count}"] = raw / chosen.lengths
    return found | {"length": chosen.lengths}


def beyond(signal: np.ndarray, fall: np.ndarray, length: np.ndarray) -> float:
    """Return the rank correlation of two columns once a third is taken out of both."""
    ranks = [rankdata(column) for column in (signal, fall, length)]
    left = [rank - np.polyval(np.polyfit(ranks[2], rank, 1), ranks[2]) for rank in ranks[:2]]
    return float(np.corrcoef(*left)[0, 1])


def one(data: Path, seed: int, num_pairs: int, steps: int) -> dict[str, Any]:
    torch.manual_seed(seed)
    rng = random.Random(seed)
    rows = transcripts(data)
    tokenizer = tokenizer_of(rows)
    pairs = short_pairs(rows, tokenizer)
    rng.shuffle(pairs)
    pairs, model = pairs[:num_pairs], policy()
    stream = [token for row in rows for token in [*tokenizer.encode(row["chosen"]).ids, _END]]
    loss = pretrain(model, stream, steps, rng)
    chosen, rejected = (read_all(model, [pair[side] for pair in pairs]) for side in (0, 1))
    found = signals(chosen, rejected)
    tune(model, pairs, (chosen.logp, rejected.logp), rng)
    fall = (chosen.logp - read_all(model, [pair[0] for pair in pairs]).logp) / chosen.lengths
    return {
        "seed": seed,
        "loss": loss,
        "fell": float((fall > 0).mean()),
        "signals": {
            name: {
                "spearman": float(spearmanr(signal, fall).statistic),
                "beyond_length": beyond(signal, fall, chosen.lengths) if name != "length" else 0.0,
            }
            for name, signal in found.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 4, 5])
    parser.add_argument("--pairs", type=int, default=384)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    runs = [one(args.data, seed, args.pairs, args.steps) for seed in args.seeds]
    for what in ("spearman", "beyond_length"):
        print(f"\n{what} with the fall of log p(chosen) per token")
        print_table(
            [
                {"signal": name}
                | {f"seed {run['seed']}": run["signals"][name][what] for run in runs}
                | {"mean": float(np.mean([run["signals"][name][what] for run in runs]))}
                for name in runs[0]["signals"]
            ]
        )
    if args.json:
        write_json(args.json, {"machine": machine(), "runs": runs})


if __name__ == "__main__":
    main()

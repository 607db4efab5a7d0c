"""Semantic near duplicates: what the default bound joins, and whether light edits are found.

    python tests/bench/near.py DATA [--only NAME] [--pairs FILE] [--json FILE]

DATA is the folder of the real sources. For each source, once with the defaults and once with the
raw vectors alone (no mean subtracted, nothing unknown, bound 0.95, no words in common needed):

    embedded     share of the prompts that have an embedding
    median       cosine of two random prompts
    share        of random pairs of prompts at or above the bound
    joined       prompts that are not the representative of their cluster, `by: [lexical, semantic]`
    lexical      the same, `by: [lexical]`
    lost         pairs that a cap of 1 per `prompt_cluster` would drop
    edits        prompts with 4 % of their words replaced or misspelled that are found at the bound
    edits_1e_4   the same, at the bound where 1e-4 of the random pairs pass

``--pairs`` writes pairs of prompts that the defaults join by their embeddings alone, to be read.
"""

import argparse
import random
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from report import machine, print_table, write_json

from prefine.planning import Plan, make_plan
from prefine.planning.look import read_table
from prefine.recipe import parse_recipe
from prefine.settings import Encoder, Runtime
from prefine.step import run_step

SOURCES = (
    "hh_rlhf_harmless",
    "medicalgpt_dpo_zh",
    "llmeval2_zh",
    "korean_mt_bench_ko",
    "rm_bench",
)
RAW, DEFAULT = 0.95, 0.9
SETTINGS = {
    "raw": (RAW, "encoder: {center: false, max_unknown_ratio: 1}\n"),
    "default": (DEFAULT, ""),
}
_EDITED, _SAMPLED, _SHOWN = 0.04, 500, 20


def measured(recipe: str, runtime: Runtime, last: str) -> Plan:
    """Run a recipe as far as one of its tables."""
    plan = make_plan(parse_recipe(recipe), runtime)
    maker = plan.writers(last)[-1]
    for step in plan.steps[: plan.steps.index(maker) + 1]:
        for shard in step.shards:
            run_step(step, shard, runtime)
    return plan


def texts_of(prompts: pl.DataFrame) -> pl.DataFrame:
    contents = pl.col("messages").list.eval(pl.element().struct.field("content"))
    return prompts.select("prompt_id", contents.list.join("\n\n").alias("text"))


def edited(text: str, vocabulary: list[str], rng: random.Random) -> str:
    """Replace or misspell 4 % of the words; in scripts without spaces, of the characters."""
    spaced = text.count(" ") * 15 >= len(text)
    words = text.split(" ") if spaced else list(text)
    for place in rng.sample(range(len(words)), max(1, round(_EDITED * len(words)))):
        word = words[place]
        if not spaced or rng.random() < 0.5:
            words[place] = rng.choice(vocabulary)
        else:
            at = rng.randrange(max(len(word) - 1, 1))
            words[place] = word[:at] + word[at + 1 : at + 2] + word[at : at + 1] + word[at + 2 :]
    return (" " if spaced else "").join(words)


@cache
def distilled() -> Any:
    from prefine.serve.local.encoder import distil

    config = Encoder()
    return distil(config.weights.resolved(None), config.dimensions)


class Embedder:
    """Embeds as a recipe does, with the mean of the texts it was made with."""

    def __init__(self, texts: list[str], config: Encoder, runtime: Runtime) -> None:
        from prefine.serve.local.encoder import LocalEmbedder
        from prefine.serve.local.static import StaticEmbedder

        model = config.weights.resolved(None)
        self._inner = (
            StaticEmbedder(distilled(), config.max_chars, config.max_unknown_ratio)
            if config.static
            else LocalEmbedder(config, model, runtime)
        )
        found = self._inner.embed(texts, lambda _: None)
        self.known = np.array([reason is None for reason in found.reasons])
        distinct = np.unique(found.vectors[self.known], axis=0)
        mean = distinct.sum(axis=0) / (len(distinct) + 10)
        self._mean = mean if config.center else np.zeros_like(mean)

    def vectors(self, texts: list[str]) -> Any:
        found = self._inner.embed(texts, lambda _: None).vectors
        apart = (found - self._mean) * found.any(axis=1, keepdims=True)
        norms = np.linalg.norm(apart, axis=1, keepdims=True)
        return np.divide(apart, norms, out=np.zeros_like(apart), where=norms > 0)


def neighbourhood(texts: list[str], bound: float, config: Encoder) -> dict[str, Any]:
    """Measure random pairs and planted edits."""
    rng = random.Random(0)
    texts = sorted(text for text in texts if text.strip())
    rng.shuffle(texts)
    encoder = Embedder(texts, config, Runtime())
    texts = [text for text, known in zip(texts, encoder.known, strict=True) if known]
    result: dict[str, Any] = {"embedded": float(encoder.known.mean())}
    names = ("median", "share", "edits", "edits_1e_4")
    if len(texts) < 2:
        return result | dict.fromkeys(names, float("nan"))
    vectors = encoder.vectors(texts)
    cosines = (vectors @ vectors.T)[np.triu_indices(len(texts), 1)]
    result |= {"median": float(np.median(cosines)), "share": float((cosines >= bound).mean())}
    some = texts[:_SAMPLED]
    vocabulary = [word for text in some for word in (text.split() if " " in text else text)]
    copies = encoder.vectors([edited(text, vocabulary, rng) for text in some])
    similar = np.einsum("nd,nd->n", vectors[: len(some)], copies)
    result["edits"] = float((similar >= bound).mean())
    result["edits_1e_4"] = float((similar >= np.quantile(cosines, 1 - 1e-4)).mean())
    return result


def joined(source: str, by: str, head: tuple[float, str], runtime: Runtime) -> Plan:
    bound, encoder = head
    more = f"by: [{by}]" + (f", similarity: {bound}" if "semantic" in by else "")
    more += ", semantic_jaccard: 0" if bound == RAW else ""
    recipe = source + encoder + f"measures: [{{kind: near_duplicates, {more}}}]\n"
    return measured(recipe, runtime, "prompt_clusters")


def counts(plan: Plan, runtime: Runtime) -> tuple[int, int, pl.DataFrame]:
    """Return the joined prompts, the pairs beyond the first of each cluster, and the clusters."""
    clusters = read_table(plan, runtime, "prompt_clusters")
    pairs = read_table(plan, runtime, "pairs").join(clusters, on="prompt_id")
    lost = pairs.height - pairs["prompt_cluster"].n_unique()
    return clusters.height - clusters["prompt_cluster"].n_unique(), lost, clusters


def shown(clusters: pl.DataFrame, texts: pl.DataFrame) -> list[str]:
    """Return drawn prompts that embeddings joined, each with its cluster's representative."""
    far = clusters.filter(
        (pl.col("prompt_cluster_by") == "semantic") & ~pl.col("prompt_is_representative")
    )
    rows = (
        far.sort("prompt_id")
        .join(texts, on="prompt_id")
        .sample(min(_SHOWN, far.height), seed=0)
        .join(texts.rename({"prompt_id": "prompt_cluster", "text": "other"}), on="prompt_cluster")
    )
    return [
        f"{row['prompt_overlap']:.3f}\n  A {row['text'][:700]!r}\n  B {row['other'][:700]!r}"
        for row in rows.iter_rows(named=True)
    ]


def rows_of(name: str, data: Path, root: str, pairs: Path | None) -> list[dict[str, Any]]:
    source = (Path(__file__).parents[1] / "sources" / f"{name}.yaml").read_text()
    runtime = Runtime(root=root, data=str(data))
    lexical, _, _ = counts(joined(source, "lexical", SETTINGS["default"], runtime), runtime)
    rows: list[dict[str, Any]] = []
    for setting, head in SETTINGS.items():
        plan = joined(source, "lexical, semantic", head, runtime)
        texts = texts_of(read_table(plan, runtime, "prompts"))
        num_joined, lost, clusters = counts(plan, runtime)
        config = plan.resolved.recipe.encoder
        row = {"source": name, "setting": setting, "prompts": texts.height}
        row |= neighbourhood(texts["text"].unique().to_list(), head[0], config)
        rows.append(row | {"joined": num_joined, "lexical": lexical, "lost": lost})
        if pairs is not None and setting == "default":
            with pairs.open("a", encoding="utf-8") as stream:
                stream.write(f"== {name}\n" + "\n".join(shown(clusters, texts)) + "\n")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", choices=SOURCES)
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        names = [args.only] if args.only else SOURCES
        rows = [row for name in names for row in rows_of(name, args.data, root, args.pairs)]
    print_table(rows)
    if args.json:
        write_json(args.json, {"machine": machine(), "rows": rows})


if __name__ == "__main__":
    main()

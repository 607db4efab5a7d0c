"""The Python API: run recipes, inspect results, detect the layout of files.

Everything here is re-exported by ``prefine``. Tables are returned as polars frames, everything
else as plain objects.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import polars as pl

from prefine.errors import DataError, RecipeError
from prefine.export.folder import MANIFEST, read_manifest
from prefine.ingest.detect import Detection, detect_file
from prefine.planning import (
    Plan,
    RunRecord,
    check_extras,
    check_places,
    decision_plan,
    find_run,
    list_runs,
    make_plan,
    plan_of,
    publish_plan,
    record_run,
    run_plan,
    served,
    verdict_counts,
)
from prefine.planning.counts import count_decisions
from prefine.planning.dossier import Dossier, dossier
from prefine.planning.look import read_table, remarks_so_far, states
from prefine.planning.query import Query, select_rows
from prefine.recipe import Recipe, load_recipe
from prefine.settings import Runtime
from prefine.settings.json import Json
from prefine.settings.keywords import absolute, runtime_from
from prefine.store import Store

__all__ = ["Counts", "Planned", "Run", "detect", "load_recipe", "open_run", "plan", "run", "runs"]

RecipeLike = str | PathLike[str] | Mapping[str, Any] | Recipe
"""A recipe: path of a YAML file, YAML text, a mapping, or a loaded recipe."""

Verdict = Literal["keep", "drop", "flip", "hold"]

_ROOT = ".prefine"
_TEXTS = {"prompt": "prompts", "chosen": "responses", "rejected": "responses"}
_IDS = {"prompt": "prompt_id", "chosen": "chosen_id", "rejected": "rejected_id"}


@dataclass(frozen=True)
class Counts:
    """How many rows, labels and pairs a run read and what it decided on them."""

    rows: int
    """Raw rows of all sources."""
    quarantined: int
    """Raw rows that could not be used."""
    labels: int
    """Labels that were read (the table ``judgements``)."""
    pairs: int
    """Pairs that were decided on: kept, dropped and held."""
    kept: int
    """Pairs of the data set: those with the verdict ``keep`` or ``flip``."""
    flipped: int
    """Those of ``kept`` with the verdict ``flip``: exported with chosen and rejected swapped."""
    dropped: int
    """Pairs with the verdict ``drop``."""
    held: int
    """Pairs with the verdict ``hold``: not exported until a person has reviewed them."""
    splits: Mapping[str, int]
    """Kept and flipped pairs by split."""
    rules: Sequence[Json]
    """What each rule did, in order: ``rule``, ``in`` (pairs it tested), ``dropped``, ``held``,
    ``flipped``."""
    sources: Sequence[Json]
    """Rows and labels of each source: ``name``, ``format``, ``rows_in``, ``rows_read``,
    ``quarantined`` (rows by reason), ``labels``, ``unused_labels`` (labels by reason)."""


@dataclass(frozen=True)
class Planned:
    """The steps that a recipe needs, and which of them are done."""

    recipe: Recipe
    steps: pl.DataFrame
    """One row for each step, in order: ``step``, ``fingerprint``, ``shards``, ``done`` (shards
    that have results below the root)."""
    resolved: str
    """The recipe as YAML with all defaults, files and their hashes, models and their digests."""


@dataclass(frozen=True)
class Run:
    """The results of a recipe below a root.

    Tables are read from disk each time a property is used. They hold chosen and rejected in
    the direction of the labels; the export swaps those of pairs with the verdict ``flip``.
    """

    plan: Plan
    runtime: Runtime
    id: str
    """Id of the run, as in ``prefine runs``."""
    output: str | None = None
    """Folder of the data set; None if nothing was exported."""

    def __repr__(self) -> str:
        return f"Run(id={self.id!r}, root={self.root!r}, output={self.output!r})"

    @property
    def recipe(self) -> Recipe:
        """The recipe that was run."""
        return self.plan.recipe

    @property
    def root(self) -> str:
        """Folder or URL of the steps' results."""
        return self.runtime.root

    @property
    def tables(self) -> list[str]:
        """Names of the tables that ``table`` reads."""
        return list(dict.fromkeys(name for step in self.plan.steps for name in step.writes))

    def table(self, name: str) -> pl.DataFrame:
        """Return a table of the run.

        Args:
            name: One of ``tables``.

        Raises:
            RecipeError: There is no such table.
            DataError: The step that writes it has not run.
        """
        return read_table(self.plan, self.runtime, name)

    @property
    def decisions(self) -> pl.DataFrame:
        """One row for each pair: verdict, rule, value, threshold, explanation."""
        return self.table("decisions")

    @property
    def facts(self) -> pl.DataFrame:
        """One row for each pair: ids, everything measured, columns kept from the sources."""
        return self.table("facts")

    @property
    def quarantine(self) -> pl.DataFrame:
        """One row for each raw row that could not be used: file, row, reason, detail, text."""
        return self.table("quarantine")

    def pairs(
        self, verdict: Verdict | None = None, rule: str | None = None, *, texts: bool = True
    ) -> pl.DataFrame:
        """Return facts and decisions of pairs, with their prompt and responses.

        Args:
            verdict: Only pairs with this verdict.
            rule: Only pairs whose verdict comes from this rule.
            texts: Whether to add ``prompt``, ``chosen`` and ``rejected``, each a list of messages.

        Returns:
            The columns of ``facts``, then those of ``decisions``, then the texts.

        Raises:
            RecipeError: There is no such verdict or rule.
        """
        query = Query(verdict=verdict, rule=rule)
        decisions = select_rows(self.plan, self.runtime, "decisions", query).rows
        facts = self.facts
        new = ["pair_id", *(name for name in decisions.columns if name not in facts.columns)]
        rows = facts.join(
            decisions.select(new), on="pair_id", how="inner", maintain_order="left", validate="1:1"
        )
        return self._with_texts(rows) if texts else rows

    def _with_texts(self, rows: pl.DataFrame) -> pl.DataFrame:
        for name, key in _IDS.items():
            table = _TEXTS[name]
            messages = self.table(table).select(
                pl.col(f"{table.removesuffix('s')}_id").alias(key), pl.col("messages").alias(name)
            )
            rows = rows.join(messages, on=key, how="left", maintain_order="left", validate="m:1")
        return rows

    def explain(self, pair: str | int) -> Dossier:
        """Return everything known about one pair: texts, labels, facts and the decision.

        Args:
            pair: A pair id, your own id of the pair, or the beginning of a pair id; a whole id
                wins.

        Raises:
            DataError: No pair has this id, or several have it or begin with it.
        """
        return dossier(self.plan, self.runtime, str(pair))

    @property
    def counts(self) -> Counts:
        """How many rows, labels and pairs were read and decided on."""
        result = count_decisions(self.plan, self.runtime)
        verdicts = result.verdicts
        splits: dict[str, int] = {}
        for source in result.sources:
            for name, count in source.splits.items():
                splits[name] = splits.get(name, 0) + count
        return Counts(
            rows=sum(source["rows_in"] for source in result.sources_read),
            quarantined=sum(sum(source["quarantined"].values()) for source in result.sources_read),
            labels=sum(sum(source["labels"].values()) for source in result.sources_read),
            pairs=verdicts.total(),
            kept=verdicts["keep"] + verdicts["flip"],
            flipped=verdicts["flip"],
            dropped=verdicts["drop"],
            held=verdicts["hold"],
            splits=dict(sorted(splits.items())),
            rules=result.rules,
            sources=result.sources_read,
        )

    @property
    def notes(self) -> list[str]:
        """Notes on the data for its readers, one sentence each."""
        return remarks_so_far(self.plan, self.runtime)

    @property
    def manifest(self) -> Json:
        """The manifest of the exported data set.

        Raises:
            RecipeError: Nothing was exported.
            DataError: The output folder has no complete data set, or that of another run.
        """
        store = self._exported()
        if not store.exists(MANIFEST):
            raise DataError(f"{self.output} has no {MANIFEST}; run the recipe again")
        manifest = read_manifest(store, MANIFEST)
        if manifest.get("fingerprint") != self.plan.dataset.fingerprint:
            raise DataError(f"{self.output} has the data set of another run; run the recipe again")
        return manifest

    def dataset(self, split: str = "train") -> pl.DataFrame:
        """Return the exported rows of a split, as trainers read them.

        Raises:
            RecipeError: Nothing was exported, or there is no such split.
            DataError: The output folder has no complete data set, or that of another run.
        """
        manifest, store = self.manifest, self._exported()
        splits: Mapping[str, int] = manifest["splits"]
        if split not in splits:
            raise RecipeError(f"no split `{split}`; the splits are: {', '.join(splits)}")
        files = [file["path"] for file in manifest["files"]]
        shards = [path for path in files if path.startswith(f"data/{split}-")]
        return pl.concat([store.read(path) for path in sorted(shards)])

    def _exported(self) -> Store:
        if self.output is None:
            raise RecipeError("this run exported nothing; pass `output` to `prefine.run`")
        return Store(self.output)


def run(
    recipe: RecipeLike,
    *,
    output: str | Path | None = None,
    root: str | Path = _ROOT,
    data: str | Path | None = None,
    **runtime: Any,
) -> Run:
    """Run the steps of a recipe that have no results yet, then export the data set.

    Args:
        recipe: Path of a YAML file, YAML text, a mapping, or a loaded recipe.
        output: Folder or URL that receives the data set; None applies the rules without exporting.
        root: Folder or URL of the steps' results.
        data: Folder that relative source paths start from; by default that of the recipe's file,
            else the current folder.
        **runtime: Further settings of ``prefine.settings.Runtime``, such as ``workers``,
            ``device``, ``servers={"rm": ["http://host:8000"]}`` or ``start=["rm"]``.

    Returns:
        The results.

    Raises:
        RecipeError: The recipe or the runtime has mistakes.
        DataError: The data cannot be used, e.g. because too many rows are in quarantine.
        ServiceError: A server does not respond; the same call continues where it stopped.
    """
    loaded = load_recipe(recipe)
    settings = _runtime(loaded, root, data, runtime)
    place = None if output is None else absolute(output, "output")
    check_places(settings, place)
    plan = decision_plan(loaded, settings) if place is None else make_plan(loaded, settings)
    check_extras(plan, settings)
    with record_run(plan, settings, command="python", output=place) as recording:
        with served(plan, settings) as ready:
            run_plan(plan, ready, recording=recording)
        if place is None:
            verdicts = count_decisions(plan, settings).verdicts
            recording.counts = {"pairs": verdicts.total(), **verdicts}
        else:
            recording.counts = verdict_counts(publish_plan(plan, settings, place))
    return Run(plan, settings, recording.record.id, place)


def plan(
    recipe: RecipeLike, *, root: str | Path = _ROOT, data: str | Path | None = None, **runtime: Any
) -> Planned:
    """Return the steps of a recipe and how many of their shards are done, without running them.

    Args:
        recipe: As for ``run``.
        root: Folder or URL of the steps' results.
        data: Folder that relative source paths start from.
        **runtime: As for ``run``.

    Raises:
        RecipeError: The recipe or the runtime has mistakes, or a source file does not exist.
    """
    loaded = load_recipe(recipe)
    settings = _runtime(loaded, root, data, runtime)
    full_plan = make_plan(loaded, settings)
    rows = [
        {"step": s.name, "fingerprint": s.fingerprint, "shards": s.num_shards, "done": s.num_done}
        for s in states(full_plan, settings)
    ]
    return Planned(full_plan.recipe, pl.DataFrame(rows), full_plan.resolved.to_yaml())


def open_run(
    root: str | Path = _ROOT,
    *,
    run_id: str | None = None,
    recipe: str | None = None,
) -> Run:
    """Return a run below a root, by default the latest, without running anything.

    Args:
        root: Folder or URL of the steps' results.
        run_id: Id of the run, or its beginning, as ``runs`` lists it.
        recipe: Name of the recipe, to choose among its runs only.

    Raises:
        RecipeError: There is no such run.
    """
    settings = runtime_from(root, Path(), {})
    record = find_run(settings, run_id, recipe)
    plan = plan_of(record, settings)
    if record.output is None:
        plan = decision_plan(plan.resolved, settings)
    return Run(plan, settings, record.id, record.output)


def runs(root: str | Path = _ROOT) -> list[RunRecord]:
    """Return the records of the runs below a root, the latest first.

    Args:
        root: Folder or URL of the steps' results.
    """
    return list_runs(runtime_from(root, Path(), {}))


def detect(file: str | Path) -> Detection:
    """Recognise the layout of a source file by its first rows.

    Args:
        file: Path or URL.

    Returns:
        ``format``, the name of the layout, and ``reason``, how it was recognised.

    Raises:
        DataError: No layout matches, several match, or no row can be read.
    """
    detection, _ = detect_file(str(file))
    return detection


def _runtime(
    recipe: Recipe, root: str | Path, data: str | Path | None, settings: Mapping[str, Any]
) -> Runtime:
    """Return the runtime of a recipe; relative sources start from its folder by default."""
    if data is None:
        data = Path() if recipe.file is None else Path(recipe.file).parent
    return runtime_from(root, data, settings)

"""The Python API: run recipes, look at the results, recognise files.

Everything here is re-exported by ``prefine``. Tables are returned as polars frames, all else as
plain objects.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import ValidationError

from prefine.errors import RecipeError
from prefine.export.folder import MANIFEST, read_manifest
from prefine.ingest.detect import Detection, detect_file
from prefine.plan import (
    Plan,
    check_places,
    decision_plan,
    make_plan,
    publish_plan,
    run_plan,
    served,
)
from prefine.plan.decided import decided
from prefine.plan.look import Dossier, dossier, last_plan, read_table, remarks_so_far, states
from prefine.recipe import Recipe
from prefine.recipe import load_recipe as _load_recipe
from prefine.settings import Runtime
from prefine.settings.json import Json
from prefine.store import Store

RecipeLike = str | Path | Mapping[str, Any] | Recipe
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
    """Pairs that were decided on; the sum of the next four."""
    kept: int
    """Pairs with the verdict ``keep``."""
    flipped: int
    """Pairs with the verdict ``flip``: exported with chosen and rejected swapped."""
    dropped: int
    """Pairs with the verdict ``drop``."""
    held: int
    """Pairs with the verdict ``hold``: left out until somebody has looked at them."""
    splits: Mapping[str, int]
    """Kept and flipped pairs by split."""
    rules: Sequence[Json]
    """What each rule did, in order: ``rule``, ``in`` (pairs it saw), ``dropped``, ``held``,
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

    Tables are read from disk each time that a property is used. They hold chosen and rejected in
    the direction of the labels; the export swaps those of pairs with the verdict ``flip``.
    """

    plan: Plan
    runtime: Runtime
    output: str | None = None
    """Folder of the data set; null where nothing was exported."""

    def __repr__(self) -> str:
        return f"Run(recipe={self.recipe.name!r}, root={self.root!r}, output={self.output!r})"

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
            rule: Only pairs on which this rule decided.
            texts: Whether to add ``prompt``, ``chosen`` and ``rejected``, each a list of messages.

        Returns:
            The columns of ``facts``, then those of ``decisions``, then the texts.

        Raises:
            RecipeError: There is no such verdict or rule.
        """
        known = ("keep", "drop", "flip", "hold")
        if verdict is not None and verdict not in known:
            raise RecipeError(f"no verdict `{verdict}`; the verdicts are: {', '.join(known)}")
        names = [one.reason for one in self.recipe.all_rules]
        if rule is not None and rule not in names:
            raise RecipeError(f"no rule `{rule}`; the rules are: {', '.join(names)}")
        decisions = self.decisions
        if verdict is not None:
            decisions = decisions.filter(pl.col("verdict") == verdict)
        if rule is not None:
            decisions = decisions.filter(pl.col("rule") == rule)
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

    def explain(self, pair: str) -> Dossier:
        """Return everything known about one pair: texts, labels, facts and the decision.

        Args:
            pair: A pair id, the beginning of one, or your own id of the pair.

        Raises:
            DataError: No pair has this id, or several have it or begin with it.
        """
        return dossier(self.plan, self.runtime, pair)

    @property
    def counts(self) -> Counts:
        """How many rows, labels and pairs were read and decided on."""
        result = decided(self.plan, self.runtime)
        verdicts = result.verdicts
        splits: dict[str, int] = {}
        for source in result.sources:
            for name, count in source.splits.items():
                splits[name] = splits.get(name, 0) + count
        return Counts(
            rows=sum(source["rows_in"] for source in result.came_in),
            quarantined=sum(sum(source["quarantined"].values()) for source in result.came_in),
            labels=sum(sum(source["labels"].values()) for source in result.came_in),
            pairs=verdicts.total(),
            kept=verdicts["keep"],
            flipped=verdicts["flip"],
            dropped=verdicts["drop"],
            held=verdicts["hold"],
            splits=dict(sorted(splits.items())),
            rules=result.rules,
            sources=result.came_in,
        )

    @property
    def notes(self) -> list[str]:
        """What a reader of the data should know, one sentence each."""
        return remarks_so_far(self.plan, self.runtime)

    @property
    def manifest(self) -> Json:
        """The manifest of the exported data set.

        Raises:
            RecipeError: Nothing was exported.
        """
        return read_manifest(self._exported(), MANIFEST)

    def dataset(self, split: str = "train") -> pl.DataFrame:
        """Return the exported rows of a split, as trainers read them.

        Raises:
            RecipeError: Nothing was exported, or there is no such split.
        """
        store = self._exported()
        splits: Mapping[str, int] = self.manifest["splits"]
        if split not in splits:
            raise RecipeError(f"no split `{split}`; the splits are: {', '.join(splits)}")
        files = [file["path"] for file in self.manifest["files"]]
        shards = [path for path in files if path.startswith(f"data/{split}-")]
        return pl.concat([store.read(path) for path in sorted(shards)])

    def _exported(self) -> Store:
        if self.output is None:
            raise RecipeError("this run exported nothing; give `output` to `prefine.run`")
        return Store(self.output)


def load_recipe(recipe: RecipeLike) -> Recipe:
    """Load and check a recipe.

    Args:
        recipe: Path of a YAML file, YAML text, a mapping, or a loaded recipe.

    Raises:
        RecipeError: The file cannot be read, or the recipe has mistakes; all are listed, each with
            its line.
    """
    return recipe if isinstance(recipe, Recipe) else _load_recipe(recipe)


def run(
    recipe: RecipeLike,
    *,
    output: str | Path | None = None,
    root: str | Path = _ROOT,
    data: str | Path | None = None,
    **runtime: Any,
) -> Run:
    """Run a recipe: only the steps that have no results yet, then export the data set.

    Args:
        recipe: Path of a YAML file, YAML text, a mapping, or a loaded recipe.
        output: Folder or URL that receives the data set; null decides without exporting.
        root: Folder or URL of the steps' results.
        data: Folder that relative source paths start from; by default that of the recipe's file,
            else the current folder.
        **runtime: Further settings of ``prefine.settings.Runtime``, such as ``workers``,
            ``device``, ``servers={"rm": ["http://host:8000"]}`` or ``start=["rm"]``.

    Returns:
        The results.

    Raises:
        RecipeError: The recipe or the runtime has mistakes.
        DataError: The data do not allow the recipe, e.g. too many rows are in quarantine.
        ServiceError: A server does not answer; the same call goes on where it stopped.
    """
    loaded = load_recipe(recipe)
    settings = _runtime(recipe, root, data, runtime)
    place = None if output is None else str(output)
    check_places(settings, place)
    plan = decision_plan(loaded, settings) if place is None else make_plan(loaded, settings)
    with served(plan, settings) as ready:
        run_plan(plan, ready)
    if place is not None:
        publish_plan(plan, settings, place)
    return Run(plan, settings, place)


def plan(
    recipe: RecipeLike, *, root: str | Path = _ROOT, data: str | Path | None = None, **runtime: Any
) -> Planned:
    """Return the steps that a recipe needs, and which are done; nothing is run.

    Args:
        recipe: As for ``run``.
        root: Folder or URL of the steps' results.
        data: Folder that relative source paths start from.
        **runtime: As for ``run``.

    Raises:
        RecipeError: The recipe or the runtime has mistakes, or a source file does not exist.
    """
    settings = _runtime(recipe, root, data, runtime)
    made = make_plan(load_recipe(recipe), settings)
    rows = [
        {"step": s.name, "fingerprint": s.fingerprint, "shards": s.num_shards, "done": s.num_done}
        for s in states(made, settings)
    ]
    return Planned(made.recipe, pl.DataFrame(rows), made.resolved.to_yaml())


def open_run(root: str | Path = _ROOT, *, recipe: str | None = None) -> Run:
    """Return the latest run below a root, without running anything.

    Args:
        root: Folder or URL of the steps' results.
        recipe: Name of the recipe, where the root holds runs of several.

    Raises:
        RecipeError: There is no such run.
    """
    settings = Runtime(root=str(root))
    return Run(last_plan(settings, recipe), settings)


def detect(file: str | Path) -> Detection:
    """Recognise the layout of a source file by its first rows.

    Args:
        file: Path or URL.

    Returns:
        ``format``, the name of the layout, and ``reason``, what showed it.

    Raises:
        DataError: No layout fits, several do, or no row can be read.
    """
    found, _ = detect_file(str(file))
    return found


def _runtime(
    recipe: RecipeLike, root: str | Path, data: str | Path | None, settings: Mapping[str, Any]
) -> Runtime:
    """Return the runtime.

    Raises:
        RecipeError: A setting is unknown or has a wrong value.
    """
    if data is None:
        data = recipe.parent if isinstance(recipe, Path) else Path()
    more = dict(settings)
    try:
        return Runtime(root=str(root), data=str(data), **more)
    except ValidationError as error:
        first = error.errors()[0]
        raise RecipeError(f"runtime: {first['loc'][0]}: {first['msg']}") from error

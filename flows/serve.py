"""Servers and curation in one flow: vLLM is started, the recipe is run, vLLM is ended.

What comes in: a recipe's path, and which of its measures need a server. What goes out: the
published data set. What never happens: a server that outlives the flow, also where its process is
killed.

    python -m flows.serve recipe.yaml --output curated --start rm --engine vllm/bin/python
"""

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from prefect import flow, get_run_logger

from flows.curate import curate, one_sentence
from prefine.plan import make_plan, served
from prefine.recipe import Runtime, load_recipe


@flow(name="serve_and_curate")
def serve_and_curate(
    recipe: str,
    output: str,
    root: str = ".prefine",
    data: str | None = None,
    runtime: dict[str, Any] | None = None,
) -> dict[str, int]:
    """Start the servers that ``runtime`` names under ``start``, curate, and end them.

    Args:
        recipe: Path of the YAML file.
        output: Folder that receives the data set.
        root: Folder or URL of the steps' results, shared by all workers.
        data: What relative source paths are relative to; the recipe's folder by default.
        runtime: Further settings of the runtime: start, engine, replicas, gpus, ...

    Returns:
        Rows by split.
    """
    base = data if data is not None else str(Path(recipe).parent)
    settings = Runtime(root=root, data=base, **(runtime or {}))
    plan = make_plan(load_recipe(recipe), settings)
    with served(plan, settings) as ready:
        for name, urls in ready.servers.items():
            get_run_logger().info("server=%s replicas=%d", name, len(urls))
        more = ready.model_dump(mode="json", exclude={"root", "data", "start"})
        return curate(recipe, output, root, data, more)


def main(
    recipe: Annotated[str, typer.Argument(help="The recipe, a YAML file.")],
    output: Annotated[str, typer.Option(help="Folder that receives the data set.")],
    start: Annotated[list[str], typer.Option(help="A measure whose server is started; repeat it.")],
    engine: Annotated[str, typer.Option(help="The Python that has vLLM.")] = "",
    root: Annotated[str, typer.Option(help="Folder of the steps' results.")] = ".prefine",
    runtime: Annotated[str, typer.Option(help="Further settings of the runtime, as JSON.")] = "{}",
) -> None:
    """Run the flow in this process."""
    more = {"start": start, "engine": engine, **orjson.loads(runtime)}
    with one_sentence():
        load_recipe(recipe)  # here too, for a flow that fails prints its traceback
        serve_and_curate(recipe, output, root, None, more)


if __name__ == "__main__":
    typer.run(main)

"""The command that starts a server: serve."""

from enum import StrEnum
from typing import Annotated

import typer
from rich.markup import escape

from prefine.cli.app import ROOT, Settings, app, err, out
from prefine.settings import Model
from prefine.settings.flags import runtime_of, settings_of


class Task(StrEnum):
    """What a server is for."""

    reward = "reward"
    hidden = "hidden"
    judge = "judge"


@app.command(epilog="Example: prefine serve my-org/my-rm --set engine=vllm/bin/python")
def serve(
    model: Annotated[str, typer.Argument(help="A folder or a hub name.", metavar="MODEL")],
    *,
    task: Annotated[Task, typer.Option(help="What the server is for.")] = Task.reward,
    name: Annotated[str, typer.Option(help="The name to serve it under.")] = "model",
    port: Annotated[int | None, typer.Option(help="A free one by default.")] = None,
    dtype: Annotated[str, typer.Option(help="The type in which it computes.")] = "bfloat16",
    set_: Settings = None,
) -> None:
    """Start a vLLM server as a recipe needs it; keep it up until it is interrupted."""
    from threading import Event

    from prefine.serve.vllm.launch import serving
    from prefine.serve.vllm.served import Served

    runtime = runtime_of(None, ROOT, None, **settings_of(set_ or []))
    served = Served(name, name, Model(model=model), task.value, dtype, None, port)
    err.print(f"starting; the log is in {escape(runtime.logs)}", highlight=False)
    with serving([served], runtime) as servers:
        for url in servers[name]:
            out.print(f"{escape(name)} is served at {url}; interrupt to end", highlight=False)
        Event().wait()

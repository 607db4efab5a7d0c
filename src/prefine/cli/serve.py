"""The command ``serve``: start a server."""

from enum import StrEnum
from typing import Annotated

import typer

from prefine.cli.app import ROOT, RUNNING, Settings, app, notes, out


class Task(StrEnum):
    """What a server is for."""

    reward = "reward"
    hidden = "hidden"
    judge = "judge"


@app.command(epilog="Example: prefine serve my-org/my-rm --set engine=vllm/bin/python")
def serve(
    model: Annotated[str, typer.Argument(help="A folder or a hub name.", metavar="MODEL")],
    *,
    task: Annotated[
        Task, typer.Option(help="What the server is for.", rich_help_panel=RUNNING)
    ] = Task.reward,
    name: Annotated[
        str,
        typer.Option(
            help="The name of the model on the server.", metavar="NAME", rich_help_panel=RUNNING
        ),
    ] = "model",
    port: Annotated[
        int | None,
        typer.Option(
            help="The port to listen on.",
            metavar="PORT",
            show_default="a free one",
            rich_help_panel=RUNNING,
        ),
    ] = None,
    dtype: Annotated[
        str,
        typer.Option(
            help="Floating-point type of the model.", metavar="TYPE", rich_help_panel=RUNNING
        ),
    ] = "bfloat16",
    set_: Settings = None,
) -> None:
    """Start a vLLM server with the settings that prefine needs; Ctrl-C stops it."""
    from threading import Event

    from prefine.serve.vllm.launch import start_servers
    from prefine.serve.vllm.served import Served
    from prefine.settings import Model
    from prefine.settings.flags import runtime_of, settings_of

    runtime = runtime_of(None, ROOT, None, **settings_of(set_ or []))
    served = Served(name, name, Model(model=model), task.value, dtype, None, port)
    notes.line(f"starting; the log is in {runtime.logs}")
    with start_servers([served], runtime) as servers:
        for url in servers[name]:
            out.line(f"{name} is served at {url}; Ctrl-C stops it")
        Event().wait()

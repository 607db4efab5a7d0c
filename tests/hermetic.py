"""Isolate the tests from the developer's variables, home folder and caches."""

import os
from collections.abc import MutableMapping
from pathlib import Path

KEPT = {"PREFINE_TEST_DATA", "PREFINE_TEST_CASES", "PREFINE_GOLDEN"}
"""Variables that choose what the tests read or write; CONTRIBUTING.md describes them."""
REMOVED = (
    *("AWS_", "GIT_", "HF_", "HUGGING", "LC_", "PIP_", "PREFECT_", "PREFINE_"),
    *("TRANSFORMERS_", "XDG_"),
)
"""Prefixes of variables that change what prefine or a library does."""
ALSO_REMOVED = {
    *("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "FTP_PROXY"),
    *("CLICOLOR", "CLICOLOR_FORCE", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"),
    *("COLUMNS", "LINES", "LANG", "LANGUAGE", "TZ"),
}
SET = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "HF_HUB_OFFLINE": "1",
    "LC_ALL": "C.UTF-8",
    "TOKENIZERS_PARALLELISM": "false",
}


def isolate(environment: MutableMapping[str, str], home: Path) -> None:
    """Remove what the developer has set, and set another home folder.

    Args:
        environment: Variables of this process; processes that it starts inherit them.
        home: An empty folder.
    """
    for name in list(environment):
        plain = name.upper()
        if name not in KEPT and (plain.startswith(REMOVED) or plain in ALSO_REMOVED):
            del environment[name]
    environment.update(SET, HOME=str(home))

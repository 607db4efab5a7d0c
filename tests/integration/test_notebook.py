"""The notebook of the documentation runs from top to bottom, and its stored outputs are current.

``PREFINE_GOLDEN=write`` stores the outputs of this run in the notebook.
"""

import os
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

pytestmark = pytest.mark.slow


def printed(notebook: Any) -> list[str]:
    """Return the text of every output, without the ids of objects and temporary paths."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = [o for cell in cells for o in cell.outputs if o.get("name") != "stderr"]
    texts = [o.get("text") or o["data"].get("text/plain", "") for o in outputs]
    return [re.sub(r"(/\w+)+/tmp\w+", "TMP", text) for text in texts]


def test_the_notebook_runs_and_prints_what_it_shows(project: Path) -> None:
    path = project / "docs" / "notebooks" / "quickstart.ipynb"
    stored = nbformat.read(path, as_version=4)
    notebook = nbformat.read(path, as_version=4)

    NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}
    ).execute()

    if os.environ.get("PREFINE_GOLDEN") == "write":
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)
            if cell.cell_type == "code":  # warnings of libraries name folders of the machine
                cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
        notebook.metadata["language_info"] = {"name": "python"}
        nbformat.write(notebook, path)
        pytest.skip("the outputs were written")
    assert printed(notebook) == printed(stored)

"""The rows of the near-duplicate bench as other tools get them, and what they leave."""

from pathlib import Path
from typing import Any

import datasets


def filtered(folder: Path) -> Any:
    """Return the rows whose chosen side is long enough and not the rejected one."""
    files = sorted(map(str, folder.glob("part-*.jsonl")))
    read: Any = datasets.load_dataset("json", data_files=files, split="train")
    return read.filter(lambda row: len(row["chosen"]) >= 20 and row["chosen"] != row["rejected"])


def publish(kept: Any, out: Path) -> None:
    """Write the rows that a tool kept to the folder that the bench reads."""
    (out / "final").mkdir(parents=True, exist_ok=True)
    kept.to_parquet(out / "final" / "part-000.parquet")

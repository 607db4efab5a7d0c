"""text-dedup does the job of the near-duplicate bench: IN OUT, in an environment that has it.

The rows are filtered first, for it has no filter; its MinHash with 3-word shingles and a bound of
0.7 removes near duplicates of ``text``; what it leaves is written as Parquet.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import datasets
from rows import filtered, publish


def main() -> None:
    left = filtered(Path(sys.argv[1]))
    with TemporaryDirectory() as name:
        left.save_to_disk(f"{name}/in")
        command = [sys.executable, "-m", "text_dedup.minhash", "--path", f"{name}/in", "--local"]
        command += ["--output", f"{name}/out", "--column", "text", "--ngram", "3"]
        command += ["--threshold", "0.7", "--min_length", "1", "--num_proc", "2"]
        subprocess.run(command, check=True)
        kept = datasets.load_from_disk(f"{name}/out")
        publish(kept, Path(sys.argv[2]))


if __name__ == "__main__":
    main()

"""data-juicer does the job of the near-duplicate bench: IN OUT, in an environment that has it.

The rows are filtered first; its exact and its MinHash deduplicators (3-word windows, a bound of
0.7) remove copies of ``text``; what they leave is written as Parquet.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import datasets
from rows import filtered, publish

RECIPE = """
project_name: bench
dataset_path: {folder}/in.jsonl
export_path: {folder}/out.jsonl
np: 2
text_keys: text
open_tracer: false
use_cache: false
process:
  - document_deduplicator: {{lowercase: false, ignore_non_character: false}}
  - document_minhash_deduplicator:
      {{tokenization: space, window_size: 3, lowercase: true, num_permutations: 256,
        jaccard_threshold: 0.7}}
"""


def main() -> None:
    left = filtered(Path(sys.argv[1]))
    with TemporaryDirectory() as name:
        left.to_json(f"{name}/in.jsonl")
        Path(name, "recipe.yaml").write_text(RECIPE.format(folder=name))
        program = Path(sys.executable).with_name("dj-process")
        subprocess.run([str(program), "--config", f"{name}/recipe.yaml"], check=True)
        kept = datasets.load_dataset("json", data_files=f"{name}/out.jsonl", split="train")
        publish(kept, Path(sys.argv[2]))


if __name__ == "__main__":
    main()

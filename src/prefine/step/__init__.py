"""Steps: named, versioned functions over shards; manifests, written last; journals."""

from prefine.step.journal import TableJournal, ValueJournal, forget
from prefine.step.manifest import Manifest, load_manifest, manifests_of, require_manifest
from prefine.step.progress import Pace, Progress
from prefine.step.run import run_step
from prefine.step.step import Counts, Step, StepSpec, Work

__all__ = [
    "Counts",
    "Manifest",
    "Pace",
    "Progress",
    "Step",
    "StepSpec",
    "TableJournal",
    "ValueJournal",
    "Work",
    "forget",
    "load_manifest",
    "manifests_of",
    "require_manifest",
    "run_step",
]

"""Steps: named, versioned functions over shards, with manifests and journals."""

from prefine.step.journal import TableJournal, ValueJournal, remove_journals
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
    "load_manifest",
    "manifests_of",
    "remove_journals",
    "require_manifest",
    "run_step",
]

"""The whole trip on one page: dataset → baseline → train → export → validate → deploy."""

from __future__ import annotations

from collections.abc import Callable

from jobs import deploy, export, train, validate
from jobs.dataset import stage as dataset
from jobs.wire import Done, JobSpec, Stage
from jobs.workshop import Workshop

STAGES: dict[Stage, Callable[[JobSpec, Workshop], Done]] = {
    "dataset": dataset.run,  # notes → examples, split by document
    "baseline": validate.run_baseline,  # how good is search today? decides how firmly to train
    "train": train.run,  # after a canary has proved the base's whole path
    "export": export.run,  # GGUF, and proof that it is the same model
    "validate": validate.run,  # the candidate against today, on the owner's own search
    "deploy": deploy.run,  # one switch, on trial, confirmed or taken back
}


def run_stage(spec: JobSpec, workshop: Workshop) -> Done:
    """Does the job. The same inputs give the same result, and work already done is not done again."""
    return STAGES[spec.stage](spec, workshop)

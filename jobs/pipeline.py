"""The whole trip on one page: dataset → baseline → train → export → validate → deploy."""

from __future__ import annotations

from jobs.wire import Done, JobSpec
from jobs.workshop import Workshop


def run_stage(spec: JobSpec, workshop: Workshop) -> Done:
    """Does the job. The same inputs give the same result, and work already done is not done again.

    A stage is loaded when it runs: the refresh after every edit needs a fraction of what the others do.
    """
    match spec.stage:
        case "dataset":  # notes → examples, split by document
            from jobs.dataset import stage

            return stage.run(spec, workshop)
        case "baseline":  # how good is search today? decides how firmly to train
            from jobs import validate

            return validate.run_baseline(spec, workshop)
        case "train":  # after a canary has proved the base's whole path
            from jobs import train

            return train.run(spec, workshop)
        case "export":  # GGUF, and proof that it is the same model
            from jobs import export

            return export.run(spec, workshop)
        case "validate":  # the candidate against today, on the owner's own search
            from jobs import validate

            return validate.run(spec, workshop)
        case "deploy":  # one switch, on trial, confirmed or taken back
            from jobs import deploy

            return deploy.run(spec, workshop)

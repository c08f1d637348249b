"""How a worker is started so that nothing leaves it: confined, offline, and with a canary sent ahead."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from config.paths import Home, runtime_directory
from daemon.system.witness import Witness
from jobs.publish import make_directory
from jobs.wire import JobSpec
from launchd.machine import PLACES

SANDBOX_EXEC = PLACES["sandbox-exec"]
PROFILE = Path(__file__).with_name("heavy_job.sb")
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "DO_NOT_TRACK": "1",
    "WANDB_MODE": "disabled",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}

# Metal's allocator of torch: shares of the memory that Metal recommends, which is two thirds to three quarters of all.
# Its own limit is 1.7, more than the machine has; a low mark over the high one is an error, so both are set
# (docs.pytorch.org, "MPS Environment Variables"). Over the high mark a training fails; it does not swap.
METAL_MEMORY = {"PYTORCH_MPS_HIGH_WATERMARK_RATIO": "0.8", "PYTORCH_MPS_LOW_WATERMARK_RATIO": "0.6"}


def places_of(spec: JobSpec, environment: Mapping[str, str] = os.environ) -> dict[str, Path]:
    """Where this job writes, each by its name in heavy_job.sb, and there by now. Nothing of it is ever run.

    QMD's configuration may hold commands, so only the job that publishes a release writes into releases. The others
    read the live index, beside which SQLite has files of its own, and one leaves a model. What cannot be made is left
    to the job, which says what is wrong.
    """
    home = Home(root=Path(spec.home))
    places = {
        "BASES": home.base_models,
        "CACHE": home.examples_cache.parent,
        "CONSENT": home.consent,
        "DATASETS": home.datasets,
        "KEYS": home.keys,
        "MODELS": home.releases / "models",
        "STAGES": home.stages,
        "SLOT": runtime_directory(environment),
    }
    for place in places.values():
        with suppress(OSError):
            make_directory(place)
    return {**places, "RELEASES": home.releases if spec.stage == "deploy" else home.releases / "current" / "index"}


def confined(
    command: Sequence[str], witness: Witness, places: Mapping[str, Path], sandbox_exec: str = SANDBOX_EXEC
) -> list[str]:
    """The command, started by jobs.confine, which tries to reach the witness first.

    It writes into the ``places`` of ``places_of`` and the witness's scratch folder only.

    macOS confines from outside, by sandbox-exec and heavy_job.sb; a profile that it does not understand ends the
    process at once. Linux confines from inside. Where neither can, the canary tells.
    """
    from_outside = sys.platform == "darwin" and Path(sandbox_exec).exists()
    how = "sandbox-exec" if from_outside else "itself"
    places = {**places, "SCRATCH": witness.scratch}
    itself = [sys.executable, "-m", "jobs.confine", how, str(witness.port), str(witness.folder)]
    ahead = [*itself, *map(str, places.values()), "--", *command]
    if not from_outside:
        return ahead
    named = [f"{name}={path.resolve()}" for name, path in places.items()]  # a profile compares resolved paths
    return [sandbox_exec, *(word for one in named for word in ("-D", one)), "-f", str(PROFILE.resolve()), *ahead]


def job_environment(witness: Witness) -> dict[str, str]:
    """The surroundings of a confined job: a worker's, and what is temporary goes where it may write.

    joblib would complain that it may not make semaphores in /dev/shm; nothing here needs it to have processes.
    """
    return worker_environment() | {"TMPDIR": str(witness.scratch), "JOBLIB_MULTIPROCESSING": "0"}


def worker_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The surroundings of every process that loads a model: offline, no proxy, no progress bars, limited memory.

    CI changes what QMD does; the hub's token is nobody's business there.
    """
    kept = {
        key: value
        for key, value in environment.items()
        if not key.lower().endswith("_proxy") and key not in ("CI", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
    }
    return kept | OFFLINE | METAL_MEMORY

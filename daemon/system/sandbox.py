"""How a worker is started so that nothing leaves it: confined, offline, and with a canary sent ahead."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from daemon.system.witness import Witness

SANDBOX_EXEC = "/usr/bin/sandbox-exec"
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


def confined(command: Sequence[str], witness: Witness, sandbox_exec: str = SANDBOX_EXEC) -> list[str]:
    """The command, started by jobs.confine, which tries to reach the witness first.

    macOS confines from outside, by sandbox-exec and heavy_job.sb; a profile that it does not understand ends the
    process at once. Linux confines from inside. Where neither can, the canary tells.
    """
    from_outside = sys.platform == "darwin" and Path(sandbox_exec).exists()
    how = "sandbox-exec" if from_outside else "itself"
    ahead = [sys.executable, "-m", "jobs.confine", how, str(witness.port), str(witness.folder), *command]
    if not from_outside:
        return ahead
    agents = Path.home().resolve() / "Library" / "LaunchAgents"  # a profile compares resolved paths
    return [sandbox_exec, "-D", f"LAUNCH_AGENTS={agents}", "-f", str(PROFILE.resolve()), *ahead]


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

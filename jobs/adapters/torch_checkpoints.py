"""What a torch training needs to go on, as safetensors and JSON: never a pickle.

``weights.safetensors`` holds the trained parameters, ``optimizer.safetensors`` AdamW's moments,
``state.json`` the step. The step is the data cursor as well: batches are planned from the seed, and
so is the random state, because every step starts by seeding with ``(seed, step)`` (``seed_step``).
An interrupted training and an uninterrupted one therefore draw the same dropout.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import torch
from msgspec import Struct
from safetensors.torch import load_file, save_file

from jobs import checkpoints
from jobs.adapters.safetensors_files import require_whole_weights, whole_safetensors


class TrainingState(Struct, frozen=True, kw_only=True):
    """``step`` steps are done; ``loss`` is a running mean; ``seconds`` were spent so far."""

    step: int
    seed: int
    loss: float
    seconds: float


def seed_step(seed: int, step: int) -> None:
    """Puts the random state of every device where it stands before ``step`` (from 0)."""
    torch.manual_seed(seed * 1_000_003 + step)


def save(
    directory: Path, weights: Mapping[str, torch.Tensor], optimizer: torch.optim.Optimizer, state: TrainingState
) -> None:
    """Publishes a checkpoint of ``state.step`` steps in ``directory`` and lets the oldest go."""
    with checkpoints.publish(directory, state.step, require_whole_weights) as stage:
        save_file({name: tensor.detach().contiguous().cpu() for name, tensor in weights.items()}, _weights(stage))
        save_file(_moments(optimizer), _optimizer(stage))
        _state(stage).write_bytes(msgspec.json.encode(state))
    checkpoints.prune(directory)


def read_state(checkpoint: Path) -> TrainingState:
    return msgspec.json.decode(_state(checkpoint).read_bytes(), type=TrainingState)


def read_weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    return load_file(whole_safetensors(_weights(checkpoint)))


def restore_optimizer(checkpoint: Path, optimizer: torch.optim.Optimizer) -> None:
    """Gives a fresh optimizer over the same parameters, in the same order, its moments back."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in load_file(whole_safetensors(_optimizer(checkpoint))).items():
        index, field = name.split(".", 1)
        state.setdefault(int(index), {})[field] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _moments(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    return {
        f"{index}.{field}": value.detach().contiguous().cpu()
        for index, fields in optimizer.state_dict()["state"].items()
        for field, value in fields.items()
    }


def _weights(directory: Path) -> Path:
    return directory / "weights.safetensors"


def _optimizer(directory: Path) -> Path:
    return directory / "optimizer.safetensors"


def _state(directory: Path) -> Path:
    return directory / "state.json"

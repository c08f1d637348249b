"""LoRA with peft on torch: CUDA where there is one, else the processor."""

from __future__ import annotations

import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from jobs.adapters.expansion_rows import Batch, Row, batch_of
from jobs.adapters.lora_files import PROJECTIONS, require_all_merged, weight_files
from jobs.adapters.lora_plan import Precision
from jobs.adapters.lora_training import LoraShape, LoraTrainer
from jobs.adapters.safetensors_files import whole_safetensors
from jobs.domain.errors import BadInput

_IGNORED = -100
_TRIAL_SIZE = 768  # wide enough that the matrix product outweighs the call
_TRIALS = 5
_WORTH_IT = 1.2  # half precision must be this much faster to be chosen
_PEFT_PREFIX = "base_model.model."


def peft_trainer() -> LoraTrainer:
    tool = f"peft {version('peft')}, torch {torch.__version__}, transformers {version('transformers')}"
    return LoraTrainer(tool=tool, open_engine=PeftEngine)


def fastest_precision(device: torch.device) -> Precision:
    """bfloat16 if a matrix product in it is measured faster than in float32, forwards and backwards."""
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return "bfloat16" if _seconds(torch.bfloat16) * _WORTH_IT < _seconds(torch.float32) else "float32"


class PeftEngine:
    """A LoraEngine. Base and adapter compute in ``precision``; the optimizer moves a float32 copy of the adapter.

    peft's own way, a float32 adapter on a bfloat16 base, keeps every projection's input in float32 for the backward
    pass: measured on SmolLM2, 4.8 GB instead of 3.4, and a third slower.
    """

    width_multiple = 1

    def __init__(self, base: Path, shape: LoraShape) -> None:
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.precision: Precision = shape.precision or fastest_precision(self._device)
        torch.manual_seed(shape.seed)
        adapter = LoraConfig(
            r=shape.rank,
            lora_alpha=shape.alpha,
            lora_dropout=0.0,
            target_modules=list(PROJECTIONS),
            task_type="CAUSAL_LM",
        )
        loaded = _load(base, self._dtype).to(self._device)
        self._model: Any = get_peft_model(loaded, adapter, autocast_adapter_dtype=False)
        self._adapter: dict[str, torch.nn.Parameter] = {
            name: parameter for name, parameter in self._model.named_parameters() if parameter.requires_grad
        }
        self._exact = {
            name: torch.nn.Parameter(parameter.detach().clone().float()) for name, parameter in self._adapter.items()
        }
        self._optimizer = torch.optim.AdamW(self._exact.values(), lr=0.0)

    def step(self, batch: Batch, learning_rate: float) -> float:
        self._model.train()
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        loss = self._batch_loss(batch)
        loss.backward()
        for name, parameter in self._adapter.items():
            self._exact[name].grad = None if parameter.grad is None else parameter.grad.float()
            parameter.grad = None
        self._optimizer.step()
        self._round_adapter()
        return float(loss.detach())

    def loss(self, batch: Batch) -> float:
        self._model.eval()
        with torch.inference_mode():
            return float(self._batch_loss(batch))

    def save(self, directory: Path) -> None:
        moments = {
            f"{index}.{field}": value
            for index, fields in self._optimizer.state_dict()["state"].items()
            for field, value in fields.items()
        }
        save_file({name: value.detach() for name, value in self._exact.items()}, directory / "adapter.safetensors")
        save_file(moments, directory / "optimizer.safetensors")
        save_file({"torch": torch.get_rng_state()}, directory / "random.safetensors")

    def load(self, directory: Path) -> None:
        for name, value in load_file(whole_safetensors(directory / "adapter.safetensors")).items():
            self._exact[name].data.copy_(value)
        self._round_adapter()
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, value in load_file(whole_safetensors(directory / "optimizer.safetensors")).items():
            index, field = name.split(".", 1)
            state.setdefault(int(index), {})[field] = value
        self._optimizer.load_state_dict({**self._optimizer.state_dict(), "state": state})
        torch.set_rng_state(load_file(whole_safetensors(directory / "random.safetensors"))["torch"])

    def merge(self, base: Path, merged: Path, probe: Row) -> float:
        self._optimizer.state.clear()
        self._model.float()
        self._round_adapter()  # nothing is rounded in float32
        self._restore_base(base)
        trained = self._logits(probe)
        changes = self._weight_changes()
        for file in weight_files(base):
            weights = load_file(file)
            for name in changes.keys() & weights.keys():
                weights[name] = weights[name].float() + changes.pop(name)
            save_file(weights, merged / file.name, metadata={"format": "pt"})
        require_all_merged(set(changes), base)
        self._model = self._model.unload()
        for file in weight_files(merged):
            self._model.load_state_dict(load_file(file), strict=False)
        return _distance(self._logits(probe), trained)

    def _restore_base(self, base: Path) -> None:
        """A base that is kept in float32 and was trained on in bfloat16 was rounded for it; the merged one is not."""
        model = self._model.get_base_model()
        parameters = {name.replace(".base_layer.", "."): value for name, value in model.named_parameters()}
        for file in weight_files(base):
            for name, value in load_file(file).items():
                if name in parameters and value.dtype == torch.float32:
                    parameters[name].data.copy_(value)

    @property
    def _dtype(self) -> torch.dtype:
        return torch.bfloat16 if self.precision == "bfloat16" else torch.float32

    def _round_adapter(self) -> None:
        for name, parameter in self._adapter.items():
            parameter.data.copy_(self._exact[name].data)

    def _batch_loss(self, batch: Batch) -> torch.Tensor:
        """Logits are computed from the shortest prompt's end on: before that nothing is learned."""
        tokens = torch.tensor(batch.tokens, device=self._device)
        first = min(batch.prompts)
        targets = tokens[:, first:].clone()
        places = torch.arange(first, batch.width, device=self._device)
        prompts = torch.tensor(batch.prompts, device=self._device)[:, None]
        lengths = torch.tensor(batch.lengths, device=self._device)[:, None]
        targets[(places < prompts) | (places >= lengths)] = _IGNORED
        logits = self._model(input_ids=tokens, logits_to_keep=batch.width - first + 1, use_cache=False).logits[:, :-1]
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=_IGNORED)

    def _logits(self, row: Row) -> torch.Tensor:
        self._model.eval()
        tokens = torch.tensor(batch_of([row]).tokens, device=self._device)
        with torch.inference_mode():
            logits: torch.Tensor = self._model(input_ids=tokens, use_cache=False).logits[0].float()
        return logits

    def _weight_changes(self) -> dict[str, torch.Tensor]:
        """What the adapter adds to each weight of the base, by the weight's name in the base's files."""
        return {
            f"{name.removeprefix(_PEFT_PREFIX)}.weight": _change(module)
            for name, module in self._model.named_modules()
            if isinstance(module, LoraLayer)
        }


def _load(base: Path, dtype: torch.dtype) -> Any:
    logging.disable_progress_bar()
    try:
        return AutoModelForCausalLM.from_pretrained(
            base, dtype=dtype, local_files_only=True, trust_remote_code=False, use_safetensors=True
        )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise BadInput(
            f"the base in {base} cannot be loaded: {str(error)[:300]}",
            remedy="check that its files are whole, or choose another [expansion] base in config.toml",
        ) from error


def _change(module: Any) -> torch.Tensor:
    down, up = (side["default"].weight.detach().float().cpu() for side in (module.lora_A, module.lora_B))
    change: torch.Tensor = module.scaling["default"] * (up @ down)
    return change


def _distance(one: torch.Tensor, other: torch.Tensor) -> float:
    spread = (other - other.mean(dim=-1, keepdim=True)).square().mean().sqrt()
    return float((one - other).square().mean().sqrt() / spread)


def _seconds(dtype: torch.dtype) -> float:
    """The best of a few products of square matrices, with their gradient."""
    left = torch.ones(_TRIAL_SIZE, _TRIAL_SIZE, dtype=dtype, requires_grad=True)
    right = torch.ones(_TRIAL_SIZE, _TRIAL_SIZE, dtype=dtype)
    best = float("inf")
    for _ in range(_TRIALS):
        began = time.perf_counter()
        (left @ right).sum().backward()
        best = min(best, time.perf_counter() - began)
    return best

"""LoRA with mlx-lm's parts: on Apple Silicon's GPU, and on the processor elsewhere.

The loop is our own (lora_training.py), not ``mlx_lm.tuner.trainer.train``: that one cannot resume, draws a terminal
and raises the wired-memory limit, which has brought down kernels (github.com/ml-explore/mlx/issues/3186).
Nothing here touches that limit.
"""

from __future__ import annotations

import os
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from jobs.adapters import openblas

openblas.preload()

import mlx.core as mx  # noqa: E402 (only after OpenBLAS)
from mlx import nn, optimizers  # noqa: E402
from mlx.utils import tree_flatten, tree_unflatten  # noqa: E402
from mlx_lm.tuner.lora import LoRALinear  # noqa: E402
from mlx_lm.tuner.utils import linear_to_lora_layers, remove_lora_layers  # noqa: E402
from mlx_lm.utils import load_model  # noqa: E402

from jobs.adapters.expansion_rows import Batch, Row, batch_of  # noqa: E402
from jobs.adapters.lora_files import PROJECTIONS, require_all_merged, weight_files  # noqa: E402
from jobs.adapters.lora_plan import Precision  # noqa: E402
from jobs.adapters.lora_training import LoraShape, LoraTrainer  # noqa: E402
from jobs.adapters.safetensors_files import whole_safetensors  # noqa: E402
from jobs.domain.errors import BadInput  # noqa: E402

_CACHE_BYTES = 1 << 30  # freed buffers kept for reuse; MLX's default keeps nearly all of the memory
_MEMORY_SHARE = 0.6  # of the machine's, beyond which MLX frees and waits; its default is one and a half times the GPU's
_KEYS = frozenset(
    f"{'self_attn' if name in ('q_proj', 'k_proj', 'v_proj', 'o_proj') else 'mlp'}.{name}" for name in PROJECTIONS
)


def mlx_trainer() -> LoraTrainer:
    tool = f"mlx-lm {version('mlx-lm')}, mlx {version('mlx')} on {'Metal' if mx.metal.is_available() else 'CPU'}"
    return LoraTrainer(tool=tool, open_engine=MlxEngine)


class MlxEngine:
    """A LoraEngine. The base is in ``precision``, adapter and optimizer are in float32."""

    width_multiple = 32  # every other width is compiled anew

    def __init__(self, base: Path, shape: LoraShape) -> None:
        mx.set_cache_limit(_CACHE_BYTES)
        mx.set_memory_limit(int(_MEMORY_SHARE * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")))
        mx.random.seed(shape.seed)
        self.precision: Precision = shape.precision or ("bfloat16" if mx.metal.is_available() else "float32")
        self._model = _load(base, self._dtype)
        self._model.freeze()
        scale = shape.alpha / shape.rank
        linear_to_lora_layers(
            self._model,
            len(self._model.layers),
            {"rank": shape.rank, "scale": scale, "dropout": 0.0, "keys": set(_KEYS)},
        )
        self._optimizer = optimizers.AdamW(learning_rate=0.0, bias_correction=True)
        self._optimizer.init(self._model.trainable_parameters())
        mx.eval(self._model.parameters(), self._optimizer.state)

    def step(self, batch: Batch, learning_rate: float) -> float:
        self._model.train()
        self._optimizer.learning_rate = learning_rate
        loss: mx.array = self._learn(*_arrays(batch))
        mx.eval(loss, self._model.trainable_parameters(), self._optimizer.state)
        return _number(loss)

    def loss(self, batch: Batch) -> float:
        self._model.eval()
        return _number(_batch_loss(self._model, *_arrays(batch)))

    def save(self, directory: Path) -> None:
        for name, tree in (("adapter", self._model.trainable_parameters()), ("optimizer", self._optimizer.state)):
            _write(directory / f"{name}.safetensors", dict(tree_flatten(tree)))
        _write(directory / "random.safetensors", {"mlx": _random_key()})

    def load(self, directory: Path) -> None:
        self._model.load_weights(str(directory / "adapter.safetensors"), strict=False)
        self._optimizer.state = tree_unflatten(list(_read(directory / "optimizer.safetensors").items()))
        high, low = cast(list[int], _read(directory / "random.safetensors")["mlx"].tolist())
        mx.random.seed(high << 32 | low)  # the state is a key, and a key is its seed's two halves
        mx.eval(self._model.parameters(), self._optimizer.state)

    def merge(self, base: Path, merged: Path, probe: Row) -> float:
        self._optimizer.state = {}
        self._model.set_dtype(mx.float32)
        self._restore_base(base)
        trained = self._logits(probe)
        changes = self._weight_changes()
        for file in weight_files(base):
            weights = _read(file)
            for name in changes.keys() & weights.keys():
                weights[name] = weights[name].astype(mx.float32) + changes.pop(name)
            _write(merged / file.name, weights)
        require_all_merged(set(changes), base)
        difference = self._distance_of(merged, probe, trained)
        mx.clear_cache()
        return difference

    @property
    def _dtype(self) -> mx.Dtype:
        return mx.bfloat16 if self.precision == "bfloat16" else mx.float32

    @cached_property
    def _learn(self) -> Any:
        """Compiled at the first step, when a checkpoint's state is in place."""
        state = [self._model.state, self._optimizer.state]
        gradient = nn.value_and_grad(self._model, _batch_loss)

        @partial(mx.compile, inputs=state, outputs=state)
        def learn(tokens: mx.array, prompts: mx.array, lengths: mx.array) -> mx.array:
            loss: mx.array
            loss, gradients = gradient(self._model, tokens, prompts, lengths)
            self._optimizer.update(self._model, gradients)
            return loss

        return learn

    def _logits(self, row: Row) -> mx.array:
        self._model.eval()
        logits: mx.array = self._model(mx.array(batch_of([row]).tokens)).astype(mx.float32)
        mx.eval(logits)
        return logits

    def _weight_changes(self) -> dict[str, mx.array]:
        """What the adapter adds to each weight of the base, by the weight's name in the base's files."""
        return {
            f"{name}.weight": (module.scale * module.lora_b.T) @ module.lora_a.T
            for name, module in self._model.named_modules()
            if isinstance(module, LoRALinear)
        }

    def _restore_base(self, base: Path) -> None:
        """A base that is kept in float32 and was trained on in bfloat16 was rounded for it; the merged one is not."""
        wrapped = {f"{name}.weight" for name, module in self._model.named_modules() if isinstance(module, LoRALinear)}
        for file in weight_files(base):
            exact = {name: value for name, value in _read(file).items() if value.dtype == mx.float32}
            inside = {name: f"{name.removesuffix('weight')}linear.weight" for name in wrapped}
            placed = [(inside.get(name, name), value) for name, value in self._model.sanitize(exact).items()]
            self._model.load_weights(placed, strict=False)

    def _distance_of(self, merged: Path, probe: Row, trained: mx.array) -> float:
        remove_lora_layers(self._model)
        for file in weight_files(merged):
            weights = {name: value.astype(mx.float32) for name, value in _read(file).items()}
            self._model.load_weights(list(self._model.sanitize(weights).items()), strict=False)
        spread = mx.sqrt(mx.square(trained - trained.mean(axis=-1, keepdims=True)).mean())
        return _number(mx.sqrt(mx.square(self._logits(probe) - trained).mean()) / spread)


def _batch_loss(model: Any, tokens: mx.array, prompts: mx.array, lengths: mx.array) -> mx.array:
    logits = model(tokens[:, :-1])
    places = mx.arange(1, tokens.shape[1])
    learned = mx.logical_and(places >= prompts, places < lengths)
    losses: mx.array = nn.losses.cross_entropy(logits.astype(mx.float32), tokens[:, 1:]) * learned
    return losses.sum() / learned.sum()


def _arrays(batch: Batch) -> tuple[mx.array, mx.array, mx.array]:
    return mx.array(batch.tokens), mx.array(batch.prompts)[:, None], mx.array(batch.lengths)[:, None]


def _number(array: mx.array) -> float:
    return float(cast(float, array.item()))


def _random_key() -> mx.array:
    return cast(list[mx.array], mx.random.state)[0]


def _read(file: Path) -> dict[str, mx.array]:
    arrays = mx.load(str(whole_safetensors(file)))
    assert isinstance(arrays, dict)
    return arrays


def _write(file: Path, arrays: dict[str, mx.array]) -> None:
    """Raises OSError where the system took less than all: MLX keeps its reason, which is mostly a full disk."""
    try:
        mx.save_safetensors(str(file), arrays, metadata={"format": "pt"})
    except RuntimeError as error:
        if "Unable to write" in str(error):
            raise OSError(f"not all of {file.name} could be written") from error
        raise


def _load(base: Path, dtype: mx.Dtype) -> Any:
    try:
        model, _ = load_model(base, lazy=True)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise BadInput(
            f"the base in {base} cannot be loaded: {str(error)[:300]}",
            remedy="check that its files are whole, or choose another [expansion] base in config.toml",
        ) from error
    model.set_dtype(dtype)
    mx.eval(model.parameters())
    return model

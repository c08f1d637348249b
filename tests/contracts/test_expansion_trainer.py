"""What every ExpansionTrainer must do, run over peft and over mlx-lm, both for real on the processor."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobs import checkpoints
from jobs.domain.artifacts import BaseModel, Progress
from jobs.domain.errors import BadInput, NotEnough, Stopped
from jobs.domain.recipe import Lesson
from jobs.ports import ExpansionTrainer
from tests.contracts.expansion_lesson import EXPANSIONS, recipe, stop_after, train, weights
from tests.fakes.tiny_llama import write_tiny_llama

pytestmark = pytest.mark.ml
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


def peft() -> ExpansionTrainer:
    pytest.importorskip("peft")
    from jobs.adapters.peft_lora import peft_trainer

    return peft_trainer()


def mlx() -> ExpansionTrainer:
    # Not importorskip: OpenBLAS has to be loaded before mlx.core, and mlx_lora does that.
    if importlib.util.find_spec("mlx_lm") is None:
        pytest.skip("mlx-lm is not installed")
    from jobs.adapters.mlx_lora import mlx_trainer

    return mlx_trainer()


@pytest.fixture(params=[peft, mlx], ids=["peft", "mlx"])
def trainer(request: pytest.FixtureRequest) -> ExpansionTrainer:
    built: ExpansionTrainer = request.param()
    return built


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_llama(tmp_path_factory.mktemp("bases") / "tiny-llama")


@pytest.fixture
def base(tiny_llama: Path) -> BaseModel:
    return BaseModel(name="tiny-llama", directory=str(tiny_llama), digest="0" * 16, kind="expansion")


def test_training_lowers_the_loss_on_rows_it_never_saw(
    trainer: ExpansionTrainer, base: BaseModel, tmp_path: Path
) -> None:
    facts = train(trainer, base, tmp_path, epochs=10).facts
    assert float(facts["development_loss_tuned"]) < 0.8 * float(facts["development_loss_base"])


def test_the_merged_model_is_a_whole_hugging_face_directory(
    trainer: ExpansionTrainer, base: BaseModel, tmp_path: Path
) -> None:
    merged = Path(train(trainer, base, tmp_path).directory)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        assert (merged / name).read_bytes() == (Path(base.directory) / name).read_bytes()
    assert "rope_theta" in json.loads((merged / "config.json").read_text())


def test_only_the_linear_projections_change_and_all_of_them_do(
    trainer: ExpansionTrainer, base: BaseModel, tmp_path: Path
) -> None:
    before, after = weights(base), weights(train(trainer, base, tmp_path))
    assert before.keys() == after.keys()
    assert {name: tensor.dtype for name, tensor in before.items()} == {name: t.dtype for name, t in after.items()}
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if "_proj." in name}


def test_the_merged_model_computes_what_the_adapter_computed(
    trainer: ExpansionTrainer, base: BaseModel, tmp_path: Path
) -> None:
    trained = train(trainer, base, tmp_path)
    assert float(trained.facts["merge_difference"]) < 1e-4


def test_the_loss_it_reports_is_the_loss_that_transformers_computes_for_the_merged_model(
    trainer: ExpansionTrainer, base: BaseModel, tmp_path: Path
) -> None:
    from jobs.adapters.chat_tokenizer import HuggingFaceChat
    from jobs.adapters.expansion_rows import rows_of

    trained = train(trainer, base, tmp_path)
    model = transformers.AutoModelForCausalLM.from_pretrained(trained.directory)
    losses = []
    for row in rows_of(EXPANSIONS[8:], HuggingFaceChat(Path(base.directory)), 512):
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([row.tokens])).logits[0, row.prompt - 1 : -1]
        answer = torch.tensor(row.tokens[row.prompt :])
        losses.append(torch.nn.functional.cross_entropy(logits, answer, reduction="none"))
    assert float(trained.facts["development_loss_tuned"]) == pytest.approx(float(torch.cat(losses).mean()), abs=2e-4)


class Curve:
    """The loss as it was told after each step. Told twice, it must be the same both times, bit by bit."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("jobs.adapters.lora_training._REPORT_SECONDS", 0.0)
        self.losses: dict[int, float] = {}

    def told(self, progress: Progress) -> None:
        assert self.losses.setdefault(progress.step, progress.loss) == progress.loss, progress.step


@pytest.mark.parametrize(("polls", "precision"), [(2, "float32"), (4, "float32"), (4, "bfloat16")])
def test_an_interrupted_training_has_the_same_curve_and_ends_in_the_same_bits(
    trainer: ExpansionTrainer,
    base: BaseModel,
    tmp_path: Path,
    polls: int,
    precision: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole_curve, cut_curve = Curve(monkeypatch), Curve(monkeypatch)
    whole = train(trainer, base, tmp_path / "whole", report=whole_curve.told, precision=precision)
    cut = partial(train, trainer, base, tmp_path / "cut", report=cut_curve.told, precision=precision)
    with pytest.raises(Stopped):
        cut(should_stop=stop_after(polls))
    resumed = cut()
    assert resumed.steps == 4
    assert cut_curve.losses == whole_curve.losses
    assert list(whole_curve.losses) == [1, 2, 3, 4]
    assert resumed.final_loss == whole.final_loss
    expected = weights(whole)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights(resumed).items())


def test_a_training_killed_between_checkpoints_repeats_the_same_curve_and_ends_in_the_same_bits(
    trainer: ExpansionTrainer, base: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    whole_curve, cut_curve = Curve(monkeypatch), Curve(monkeypatch)

    def kill_after_the_third_step(progress: Progress) -> None:
        cut_curve.told(progress)
        if progress.step == 3:
            raise Killed

    whole = weights(train(trainer, base, tmp_path / "whole", report=whole_curve.told))
    with pytest.raises(Killed):
        train(trainer, base, tmp_path / "cut", report=kill_after_the_third_step)
    found = checkpoints.newest(tmp_path / "cut" / "checkpoints")
    assert found is not None
    assert checkpoints.step_of(found) == 2, "the third step is made a second time"
    resumed = weights(train(trainer, base, tmp_path / "cut", report=cut_curve.told))
    assert cut_curve.losses == whole_curve.losses
    assert all(torch.equal(tensor, whole[name]) for name, tensor in resumed.items())


def test_stopping_leaves_a_checkpoint_and_no_merged_model(
    trainer: ExpansionTrainer, base: BaseModel, tmp_path: Path
) -> None:
    with pytest.raises(Stopped):
        train(trainer, base, tmp_path, should_stop=stop_after(2))
    found = checkpoints.newest(tmp_path / "checkpoints")
    assert found is not None
    assert {file.suffix for file in found.iterdir()} == {".safetensors", ".json"}
    assert not (tmp_path / "merged").exists()


def test_mlx_keeps_its_memory_below_limits_and_never_wires_any(
    base: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = mlx()
    core = importlib.import_module("mlx.core")
    monkeypatch.setattr(core, "set_wired_limit", pytest.fail)
    train(learner, base, tmp_path)
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert core.set_memory_limit(machine) <= 0.6 * machine
    assert core.set_cache_limit(1 << 30) <= 1 << 30


def test_a_finished_training_run_again_gives_the_same_model_without_a_step(
    trainer: ExpansionTrainer, base: BaseModel, tmp_path: Path
) -> None:
    first = train(trainer, base, tmp_path)
    before = weights(first)
    again = train(trainer, base, tmp_path, report=lambda progress: pytest.fail(f"step {progress.step}"))
    assert (again.steps, again.facts) == (first.steps, first.facts)
    assert all(torch.equal(tensor, before[name]) for name, tensor in weights(again).items())


def test_the_last_progress_tells_the_last_step(trainer: ExpansionTrainer, base: BaseModel, tmp_path: Path) -> None:
    told: list[Progress] = []
    train(trainer, base, tmp_path, report=told.append)
    assert (told[-1].step, told[-1].steps, told[-1].eta, told[-1].unit) == (4, 4, 0.0, "tokens")
    assert told[-1].rate > 0


def test_a_gentle_training_is_one_epoch(trainer: ExpansionTrainer, base: BaseModel, tmp_path: Path) -> None:
    asked = Lesson(base=base, recipe=recipe(), intensity="gentle", train=EXPANSIONS[:8], development=[])
    trained = trainer.train(asked, tmp_path, lambda _: None, lambda: False)
    assert trained.steps == 2
    assert trained.facts["learning_rate"] == "0.006"


@pytest.mark.parametrize("kept", [torch.bfloat16, torch.float32], ids=str)
def test_bfloat16_trains_too_and_its_merge_is_not_rounded(
    trainer: ExpansionTrainer, base: BaseModel, tmp_path: Path, kept: Any
) -> None:
    """Whichever way the base is kept."""
    half = altered(base, tmp_path, {})
    stored = transformers.AutoModelForCausalLM.from_pretrained(base.directory, dtype=kept)
    stored.save_pretrained(tmp_path / "stored")
    shutil.copyfile(tmp_path / "stored" / "model.safetensors", Path(half.directory) / "model.safetensors")
    trained = train(trainer, half, tmp_path / "work", precision="bfloat16", epochs=4)
    assert float(trained.facts["development_loss_tuned"]) < float(trained.facts["development_loss_base"])
    assert float(trained.facts["merge_difference"]) < 1e-4
    merged = weights(trained)
    assert all(merged[name].dtype == torch.float32 for name in merged if "_proj." in name)
    assert all(merged[name].dtype == kept for name in merged if "_proj." not in name)


def test_a_quantised_base_is_refused(trainer: ExpansionTrainer, base: BaseModel, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="quantised"):
        train(trainer, altered(base, tmp_path, {"quantization": {"bits": 4, "group_size": 64}}), tmp_path / "work")


def test_a_base_that_mlx_would_misread_is_refused(trainer: ExpansionTrainer, base: BaseModel, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="rope_theta"):
        train(trainer, altered(base, tmp_path, {}, drop="rope_theta"), tmp_path / "work")


def test_a_base_without_a_tokenizer_is_refused(trainer: ExpansionTrainer, base: BaseModel, tmp_path: Path) -> None:
    bare = altered(base, tmp_path, {})
    (Path(bare.directory) / "tokenizer.json").unlink()
    with pytest.raises(BadInput, match="tokenizer"):
        train(trainer, bare, tmp_path / "work")


def test_a_checkpoint_of_another_training_is_not_gone_on_with(
    trainer: ExpansionTrainer, base: BaseModel, tmp_path: Path
) -> None:
    train(trainer, base, tmp_path)
    with pytest.raises(BadInput, match="another training"):
        train(trainer, base, tmp_path, learning_rate=5e-3)


def test_rows_that_leave_no_answer_are_too_few(trainer: ExpansionTrainer, base: BaseModel, tmp_path: Path) -> None:
    with pytest.raises(NotEnough, match="within 16 tokens"):
        train(trainer, base, tmp_path, max_tokens=16)


def altered(base: BaseModel, folder: Path, additions: dict[str, object], *, drop: str = "") -> BaseModel:
    """A copy of the base with another config.json."""
    copy = folder / "base"
    shutil.copytree(base.directory, copy)
    config = {**json.loads((copy / "config.json").read_text()), **additions}
    config.pop(drop, None)
    (copy / "config.json").write_text(json.dumps(config))
    return msgspec.structs.replace(base, directory=str(copy))

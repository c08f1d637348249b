"""What every EmbeddingTrainer must do, on a real training of a tiny real model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

from config.load import load_settings
from config.settings import EmbeddingRecipe
from jobs import checkpoints
from jobs.domain.artifacts import BaseModel, Progress, TrainedModel
from jobs.domain.corpus import DocumentId
from jobs.domain.errors import Stopped
from jobs.domain.examples import Origin, Pair
from jobs.domain.recipe import Lesson
from tests.fakes.tiny_bert import layout_of, write_tiny_bert

pytestmark = pytest.mark.ml
torch = pytest.importorskip("torch")
pytest.importorskip("sentence_transformers")

THINGS = ("river", "ice", "wolf", "map", "seed", "road", "lake", "bark", "line", "pump", "key", "sage")


def _pair(index: int) -> Pair:
    thing, other = THINGS[index % len(THINGS)], THINGS[(index * 5 + 3) % len(THINGS)]
    document = DocumentId(collection="notes", path=f"{index}.md")
    return Pair(
        query=f"{thing} {other} {index}",
        title=f"the {thing}",
        passage=f"{other} {thing} and the north {index} " * (1 + index % 3),
        relevant=(document,),
        language="en",
        origin=Origin(document=document, sha256="", start=0, length=1, generator="title"),
    )


PAIRS = [_pair(index) for index in range(40)]
DEVELOPMENT = [_pair(index) for index in range(40, 48)]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    directory = write_tiny_bert(tmp_path_factory.mktemp("base") / "tiny-bert")
    return BaseModel(name="tiny-bert", directory=str(directory), digest="tiny", kind="embedding")


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> EmbeddingRecipe:
    defaults = load_settings(tmp_path_factory.mktemp("config") / "absent.toml").embedding
    return msgspec.structs.replace(
        defaults,
        epochs=2,
        batch_size=8,
        learning_rate=1e-3,
        max_tokens=48,
        precision="float32",
        hard_negatives=1,
        average_weights=[0.5, 1.0],
        checkpoint_steps=3,
    )


def _train(
    base: BaseModel,
    recipe: EmbeddingRecipe,
    work: Path,
    *,
    stop_after: int | None = None,
    reports: list[Progress] | None = None,
) -> TrainedModel:
    """``stop_after``: the training is asked to stop once so many checks have been made while it trains."""
    from jobs.adapters.sentence_transformers import SentenceTransformersTrainer

    checks = _Checks(stop_after, work / "checkpoints")
    told = reports if reports is not None else []
    lesson = Lesson(base=base, recipe=recipe, intensity="firm", train=PAIRS, development=DEVELOPMENT)
    return SentenceTransformersTrainer().train(lesson, work, told.append, checks.should_stop)


class _Checks:
    """Says stop after a number of training steps, told by the negatives being mined."""

    def __init__(self, stop_after: int | None, directory: Path) -> None:
        self._left = stop_after
        self._work = directory.parent

    def should_stop(self) -> bool:
        if self._left is None or not (self._work / "negatives.json").exists():
            return False
        self._left -= 1
        return self._left < 0


def _weights(model: TrainedModel) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(Path(model.directory) / "model.safetensors")


def _same(one: TrainedModel, other: TrainedModel) -> bool:
    first, second = _weights(one), _weights(other)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture(autouse=True, scope="module")
def every_step_is_told() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jobs.adapters.embedding_course._REPORT_STEPS", 1)
        yield


def _curve(reports: list[Progress]) -> dict[int, float]:
    """The loss after each step. Told twice, it must be the same both times."""
    losses: dict[int, float] = {}
    for progress in reports:
        assert losses.setdefault(progress.step, progress.loss) == progress.loss, progress.step
    return losses


@pytest.fixture(scope="module")
def uninterrupted(
    base: BaseModel, recipe: EmbeddingRecipe, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[TrainedModel, list[Progress]]]:
    reports: list[Progress] = []
    yield _train(base, recipe, tmp_path_factory.mktemp("whole"), reports=reports), reports


def test_training_changes_the_weights_and_lowers_the_loss(
    uninterrupted: tuple[TrainedModel, list[Progress]], base: BaseModel
) -> None:
    trained, reports = uninterrupted
    before = TrainedModel(directory=base.directory, steps=0, seconds=0, final_loss=0, facts={})
    assert not _same(trained, before)
    assert reports[-1].loss < reports[0].loss
    assert reports[-1].step == reports[-1].steps == trained.steps == 10
    assert reports[-1].unit == "pairs"


def test_the_same_inputs_give_the_same_weights(
    uninterrupted: tuple[TrainedModel, list[Progress]], base: BaseModel, recipe: EmbeddingRecipe, tmp_path: Path
) -> None:
    assert _same(_train(base, recipe, tmp_path), uninterrupted[0])


@pytest.mark.parametrize("stop_after", [0, 4])
def test_an_interrupted_training_has_the_same_curve_and_ends_in_exactly_the_same_weights(
    stop_after: int,
    uninterrupted: tuple[TrainedModel, list[Progress]],
    base: BaseModel,
    recipe: EmbeddingRecipe,
    tmp_path: Path,
) -> None:
    reports: list[Progress] = []
    with pytest.raises(Stopped):
        _train(base, recipe, tmp_path, stop_after=stop_after, reports=reports)
    kept = checkpoints.newest(tmp_path / "checkpoints")
    assert kept is not None
    assert checkpoints.step_of(kept) == stop_after + 1
    resumed = _train(base, recipe, tmp_path, reports=reports)
    assert _curve(reports) == _curve(uninterrupted[1])
    assert list(_curve(reports)) == list(range(1, 11))
    assert resumed.final_loss == uninterrupted[0].final_loss
    assert _same(resumed, uninterrupted[0])


def test_a_training_killed_between_checkpoints_repeats_the_steps_since_with_the_same_curve(
    uninterrupted: tuple[TrainedModel, list[Progress]], base: BaseModel, recipe: EmbeddingRecipe, tmp_path: Path
) -> None:
    class Killed(Exception):
        pass

    from jobs.adapters.sentence_transformers import SentenceTransformersTrainer

    reports: list[Progress] = []

    def report(progress: Progress) -> None:
        reports.append(progress)
        if progress.step == 5:
            raise Killed

    lesson = Lesson(base=base, recipe=recipe, intensity="firm", train=PAIRS, development=DEVELOPMENT)
    with pytest.raises(Killed):
        SentenceTransformersTrainer().train(lesson, tmp_path, report, lambda: False)
    kept = checkpoints.newest(tmp_path / "checkpoints")
    assert kept is not None
    assert checkpoints.step_of(kept) == 3, "two steps are made a second time"
    assert _same(_train(base, recipe, tmp_path, reports=reports), uninterrupted[0])
    assert _curve(reports) == _curve(uninterrupted[1])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_cached_loss_of_large_batches_resumes_exactly_also_past_a_torn_checkpoint(
    base: BaseModel, recipe: EmbeddingRecipe, tmp_path: Path, precision: Literal["float32", "bfloat16"]
) -> None:
    """The default: batches over 32 have another backward pass with random states of its own."""
    large = msgspec.structs.replace(recipe, batch_size=36, epochs=3, checkpoint_steps=1, precision=precision)
    before: list[Progress] = []
    whole = _train(base, large, tmp_path / "whole", reports=before)
    assert whole.facts["loss"] == "cached" and whole.steps > 4
    reports: list[Progress] = []
    with pytest.raises(Stopped):
        _train(base, large, tmp_path / "cut", stop_after=3, reports=reports)
    torn = checkpoints.newest(tmp_path / "cut" / "checkpoints")
    assert torn is not None and checkpoints.step_of(torn) == 4
    weights = torn / "optimizer.safetensors"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    assert _same(_train(base, large, tmp_path / "cut", reports=reports), whole)
    assert _curve(reports) == _curve(before)


def test_large_batches_train_with_the_cached_loss(base: BaseModel, recipe: EmbeddingRecipe, tmp_path: Path) -> None:
    large = msgspec.structs.replace(recipe, batch_size=65, epochs=1)
    trained = _train(base, large, tmp_path)
    assert trained.facts["loss"] == "cached"
    assert trained.steps == 1


def test_the_facts_name_every_share_tried_and_the_one_chosen(
    uninterrupted: tuple[TrainedModel, list[Progress]],
) -> None:
    facts = uninterrupted[0].facts
    scores = {share: float(facts[f"development nDCG@10 at share {share}"]) for share in ("0", "0.5", "1")}
    assert facts["share"] in ("0.5", "1")
    assert scores[facts["share"]] == max(scores["0.5"], scores["1"])


def test_the_saved_model_is_the_average_that_the_facts_name(
    base: BaseModel, recipe: EmbeddingRecipe, tmp_path: Path
) -> None:
    half = _train(base, msgspec.structs.replace(recipe, average_weights=[0.5]), tmp_path / "half")
    full = _train(base, msgspec.structs.replace(recipe, average_weights=[1.0]), tmp_path / "full")
    origin = _weights(TrainedModel(directory=base.directory, steps=0, seconds=0, final_loss=0, facts={}))
    ends = _weights(full)
    for name, weight in _weights(half).items():
        torch.testing.assert_close(weight, (origin[name] + ends[name]) / 2)


def test_the_saved_model_takes_plain_text_and_qmds_whole_context_and_quotes_no_example(
    uninterrupted: tuple[TrainedModel, list[Progress]],
) -> None:
    directory = Path(uninterrupted[0].directory)
    assert "message" not in str(layout_of(directory))
    assert not (directory / "README.md").exists()
    from sentence_transformers import SentenceTransformer

    assert SentenceTransformer(str(directory), device="cpu").max_seq_length == 64

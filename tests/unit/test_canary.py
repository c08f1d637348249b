"""The canary: whatever on the path does not hold is told before anything is trained, and what held is proved once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobs import canary, train
from jobs.canary import prove_path
from jobs.domain.artifacts import BaseModel, Parity, SearchModels, TrainedModel
from jobs.domain.errors import BadInput, DiskFull, Stopped, ToolFailed
from jobs.domain.examples import JudgedQuery, Pair
from jobs.domain.gates import Answer
from jobs.domain.recipe import Lesson, Plan
from jobs.wire import JobSpec
from jobs.workshop import Workshop
from tests.learnt import Learnt

BASE = BaseModel(name="/models/mine", directory="/models/mine", digest="d", kind="embedding")


class Trainer:
    """Keeps what it was given."""

    def __init__(self) -> None:
        self.lessons: list[Lesson[Any, Pair]] = []

    def train(self, lesson: Lesson[Any, Pair], work: Path, report: object, should_stop: object) -> TrainedModel:
        self.lessons.append(lesson)
        return TrainedModel(directory=str(work), steps=1, seconds=1.0, final_loss=0.5, facts={})


class Exporter:
    """Fails with ``error`` if there is one."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.problems: tuple[str, ...] = ()
        self.exported: list[Path] = []

    def tool_version(self) -> str:
        return "converter-1"

    def export(self, model: Path, quantisation: str, gguf: Path) -> None:
        if self.error:
            raise self.error
        gguf.parent.mkdir()
        gguf.write_bytes(b"GGUF")
        self.exported.append(gguf)

    def embedding_parity(self, *_: object) -> Parity:
        return Parity(measures={}, problems=self.problems)

    generation_parity = embedding_parity


class Search:
    """An engine and its one arm: finds what its collection holds, unless it is told to embed or find less."""

    def __init__(self) -> None:
        self.release = "2.8.3"
        self.embeds = 2
        self.finds = 2
        self.expansion = ("lex: seed register",)
        self.opened: list[SearchModels] = []
        self.asked: list[str] = []

    def version(self) -> str:
        return self.release

    def models(self, configuration: Path) -> SearchModels:
        return SearchModels(embed="/live/embed.gguf", generate="/live/generate.gguf")

    def open_arm(self, configuration: Path, index: Path, models: SearchModels) -> Search:
        [collection] = msgspec.json.decode(configuration.read_bytes())["collections"].values()
        self.notes = sorted(Path(collection["path"]).glob(collection["pattern"]))
        self.opened.append(models)
        return self

    def index(self, on_progress: object, *, reread: bool, afresh: bool) -> int:
        return min(self.embeds, len(self.notes))

    def ask(self, queries: Sequence[JudgedQuery], how: str, limit: int) -> Iterator[Answer]:
        self.asked.append(how)
        for query in queries:
            found = tuple(f"canary/{note.name}" for note in self.notes[: self.finds])
            expansion = self.expansion if how == "hybrid" else ()
            yield Answer(query=query.id, documents=found, milliseconds=1.0, expansion=expansion)

    def close(self) -> None:
        pass


class Mine:
    """A workshop whose tools are these."""

    def __init__(self, folder: Path) -> None:
        self.house = Learnt(folder)
        self.trainer, self.exporter, self.search = Trainer(), Exporter(), Search()
        tools: dict[str, Any] = {
            "base_model": lambda target: BASE,
            "embedding_trainer": lambda: self.trainer,
            "expansion_trainer": lambda: self.trainer,
            "exporter": lambda: self.exporter,
            "search": self.search,
        }
        self.workshop: Workshop = replace(self.house.workshop(), **tools)

    def refused(self, base: BaseModel = BASE) -> ToolFailed:
        with pytest.raises(ToolFailed) as refusal:
            prove_path(base, self.workshop)
        return refusal.value

    def flights(self) -> int:
        return len(self.trainer.lessons)


@pytest.fixture
def mine(tmp_path: Path) -> Mine:
    return Mine(tmp_path)


def test_a_base_that_cannot_be_exported_is_told_with_the_fallback_and_nothing_is_trained_on_it(mine: Mine) -> None:
    mine.house.write(*(f"{number}.md" for number in range(6)))
    mine.house.classify(notes="public")
    mine.exporter.error = BadInput("no converter knows this architecture", remedy="choose another base")
    plan = msgspec.to_builtins(Plan(intensity="firm", reason="a test"))
    earlier = {"dataset": mine.house.built().result, "baseline": {"plan": plan}}
    home = mine.workshop.home
    spec = JobSpec(job=1, run=1, stage="train", target="embedding", home=str(home.root), earlier=earlier)
    with pytest.raises(ToolFailed) as refusal:
        train.run(spec, mine.workshop)
    told = refusal.value
    assert "canary of base /models/mine" in told.message and "nothing was trained" in told.message
    assert "no converter knows this architecture" in told.message
    assert told.remedy == 'set [embedding] base = "all-minilm-l6-v2" in config.toml, or: choose another base'
    [lesson] = mine.trainer.lessons
    assert {row.origin.document.collection for row in lesson.train} == {"canary"}
    assert [stage.name.split("-")[0] for stage in home.stages.iterdir()] == ["canary"]


@pytest.mark.parametrize(("kind", "name"), [("embedding", "all-minilm-l6-v2"), ("expansion", "smollm2-135m-instruct")])
def test_a_base_is_not_named_as_its_own_way_out(mine: Mine, kind: Any, name: str) -> None:
    mine.exporter.error = BadInput("broken", remedy="fetch it again")
    told = mine.refused(BaseModel(name=name, directory="", digest="d", kind=kind))
    assert told.remedy == "fetch it again"
    other = mine.refused(BaseModel(name="other", directory="", digest="d", kind=kind))
    assert other.remedy.startswith(f'set [{kind}] base = "{name}"')


def test_a_file_that_computes_something_else_is_refused(mine: Mine) -> None:
    mine.exporter.problems = ("cosine 0.9 under 0.999",)
    assert "cosine 0.9 under 0.999" in mine.refused().message
    assert mine.search.opened == []


def test_the_dummys_own_file_answers_a_search(mine: Mine) -> None:
    prove_path(BASE, mine.workshop)
    [gguf] = mine.exporter.exported
    assert mine.search.opened == [SearchModels(embed=str(gguf))] and mine.search.asked == ["vector"]
    assert gguf.name == "mine.gguf", "QMD chooses its prompts by the file's path"
    assert len(mine.search.notes) == 2 and not gguf.parent.exists(), "and nothing of the search is left"


def test_an_expansion_model_is_asked_beside_the_live_embedding_model(mine: Mine) -> None:
    prove_path(msgspec.structs.replace(BASE, kind="expansion"), mine.workshop)
    [gguf] = mine.exporter.exported
    assert mine.search.opened == [SearchModels(embed="/live/embed.gguf", generate=str(gguf))]
    assert mine.search.asked == ["hybrid"]


@pytest.mark.parametrize(
    ("kind", "less", "said"),
    [
        ("embedding", {"embeds": 1}, "embedded 1 of 2 sentences"),
        ("embedding", {"finds": 0}, "found none of 2 sentences"),
        ("expansion", {"expansion": ()}, "without asking it for an expansion"),
    ],
)
def test_a_file_that_qmd_cannot_search_with_is_refused(
    mine: Mine, kind: Any, less: dict[str, object], said: str
) -> None:
    for name, value in less.items():
        setattr(mine.search, name, value)
    told = mine.refused(msgspec.structs.replace(BASE, kind=kind))
    assert said in told.message and "qmd doctor" in told.remedy
    assert mine.flights() == 1
    mine.search.embeds, mine.search.finds, mine.search.expansion = 2, 2, ("lex: seeds",)
    prove_path(msgspec.structs.replace(BASE, kind=kind), mine.workshop)
    assert mine.flights() == 2, "what failed proved nothing"


def test_what_was_proved_is_not_proved_again_until_a_tool_changes(mine: Mine, monkeypatch: pytest.MonkeyPatch) -> None:
    first = prove_path(BASE, mine.workshop)
    assert prove_path(BASE, mine.workshop) == first and mine.flights() == 1
    mine.search.release = "2.9.0"
    assert "qmd-2.9.0" in prove_path(BASE, mine.workshop).tools and mine.flights() == 2
    monkeypatch.setattr(canary, "LIBRARIES", ("msgspec", "no-such-library"))
    told = f"qmd-2.9.0 msgspec-{version('msgspec')}"
    assert prove_path(BASE, mine.workshop).tools.endswith(told) and mine.flights() == 3
    renamed = msgspec.structs.replace(BASE, name="/models/qwen-embedding")
    prove_path(renamed, mine.workshop)
    assert mine.flights() == 4, "QMD serves it by other prompts"


@pytest.mark.parametrize("error", [Stopped("asked to", remedy="none"), DiskFull()], ids=str)
def test_an_order_to_stop_and_a_full_disk_are_no_failure_of_the_base(mine: Mine, error: Stopped | DiskFull) -> None:
    mine.exporter.error = error
    with pytest.raises(type(error)):
        prove_path(BASE, mine.workshop)

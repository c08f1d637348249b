"""The gates at train start and at the switch of a release: the newest consent decides, or nothing happens."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from config.paths import Home, QmdFiles
from jobs import deploy, train
from jobs.adoption import adopt
from jobs.consent.book import ConsentBook
from jobs.dataset import stage
from jobs.domain.artifacts import ReleaseMetadata
from jobs.domain.errors import Refused
from jobs.domain.recipe import Plan
from jobs.domain.results import BaselineResult, ValidationResult
from jobs.release_publishing import publish_release
from jobs.releases import Releases
from jobs.wire import Done, Event, JobSpec
from jobs.workshop import Workshop
from tests.house import keys_of
from tests.learnt import PROMOTED, Learnt
from tests.unit.dataset.sample import Notes, classify, home, notes, small_settings

NOW = datetime(2026, 1, 2, tzinfo=UTC)
BASELINE = BaselineResult(
    live="v0", index="", answers="", sets=(), score=0.3, plan=Plan(intensity="firm", reason="a test")
)


class Reached(Exception):
    """The stage went past its gate."""


class Healthy:
    """A search engine that finds nothing wrong with a live release."""

    def refresh(self, configuration: Path, index: Path, queries: Any) -> list[str]:
        return []


def reached(*_: object) -> Any:
    raise Reached


class Run:
    """A run of public notes up to the train stage, and a release of it that waits to be switched."""

    def __init__(self, folder: Path) -> None:
        self.home: Home = home(folder / "home")
        self.corpus: Notes = notes(30)
        self.events: list[Event] = []
        self.releases = Releases(self.home.releases, lambda live, _: live, lambda _: True)
        adopt(self.releases, QmdFiles(config=folder / "index.yml", index=folder / "index.sqlite"), NOW, {})
        self.workshop = Workshop(
            home=self.home,
            settings=small_settings(),
            keys=keys_of(self.home),
            corpus=self.corpus,
            token_counter=lambda: None,
            releases=self.releases,
            search=Healthy(),  # type: ignore[arg-type]
            scorer=None,  # type: ignore[arg-type]
            base_model=reached,
            embedding_trainer=reached,
            expansion_trainer=reached,
            exporter=reached,
            bill_of_materials=reached,
            emit=self.events.append,
            should_stop=lambda: False,
        )
        documents = tuple((document.collection, document.path, sha256) for document, sha256 in self.corpus.listing())
        built = stage.run(self._spec("dataset", documents=documents), self.workshop)
        self.dataset = built.result["dataset"]
        self.earlier: dict[str, Any] = {"dataset": built.result}

    def _spec(self, name: Any, **more: Any) -> JobSpec:
        return JobSpec(job=1, run=7, stage=name, target="embedding", home=str(self.home.root), **more)

    def trains(self) -> Done:
        plan = Plan(intensity="firm", reason="a test")
        spec = self._spec("train", earlier=self.earlier | {"baseline": {"plan": msgspec.to_builtins(plan)}})
        return train.run(spec, self.workshop)

    def publishes(self) -> str:
        """As an attempt that was cut off between publishing and switching."""
        metadata = ReleaseMetadata(name="v1", created_at=NOW, targets={}, run=7, dataset=self.dataset)
        publish_release(self.releases, metadata, "collections: {}\n", Path.touch)
        return metadata.name

    def deploys(self) -> Done:
        validation = ValidationResult(index="", answers="", verdict=PROMOTED)
        earlier = self.earlier | {
            "validate": msgspec.to_builtins(validation),
            "baseline": msgspec.to_builtins(BASELINE),
        }
        return deploy.run(self._spec("deploy", earlier=earlier), self.workshop)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_training_starts_while_consent_stands(run: Run) -> None:
    with pytest.raises(Reached):
        run.trains()


def test_training_does_not_start_on_what_was_called_sacred_since(run: Run) -> None:
    run.corpus.notes["note-4.md"] = "---\niaip: sacred\n---\n" + run.corpus.notes["note-4.md"]  # type: ignore[operator]
    done = run.trains()
    assert done.ends_run is not None
    assert done.ends_run.startswith("refused: 1 document may no longer be used: 1 sacred; nothing was trained.")


@pytest.mark.parametrize("public", [True, False])
def test_while_the_consent_log_is_broken_no_stage_goes_on_with_what_is_not_public(tmp_path: Path, public: bool) -> None:
    house = Learnt(tmp_path)
    house.write(*(f"{number}.md" for number in range(5)))
    house.classify(notes="public" if public else "community")
    house.consent("council", "community", "notes")
    spec = JobSpec(
        job=2, run=1, stage="validate", target="embedding", home=str(house.home.root),
        earlier={"dataset": house.built().result},
    )  # fmt: skip
    assert stage.built(spec, house.workshop()).train
    log = house.home.consent / "log.jsonl"
    log.write_bytes(log.read_bytes().replace(b"council", b"nobody!"))
    if public:
        assert stage.built(spec, house.workshop()).train
    else:
        with pytest.raises(Refused, match="the consent log is broken") as refused:
            stage.built(spec, house.workshop())
        assert "iaipctl queue retry" in refused.value.remedy


def test_a_release_goes_live_while_consent_stands(run: Run) -> None:
    assert run.publishes() == "v1"
    assert run.deploys().ends_run is None
    assert run.releases.live() == "v1"


@pytest.mark.parametrize("switched", [False, True])
def test_a_release_whose_consent_ended_is_withdrawn_whether_or_not_it_was_switched_already(
    run: Run, switched: bool
) -> None:
    run.publishes()
    if switched:
        run.releases.switch("v1")
    classify(run.home, kb="community")
    done = run.deploys()
    assert done.ends_run is not None and done.ends_run.startswith("refused: ")
    assert "v1 does not go live" in done.ends_run
    assert (run.releases.live(), run.releases.release("v1").state) == ("v0", "withdrawn")
    with pytest.raises(Refused):
        run.releases.roll_back("v1")
    assert ConsentBook(run.home.consent).chain().entries[-1].action == "refuse"


def test_consent_cannot_change_between_its_check_and_the_switch(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.publishes()
    order: list[str] = []
    switch = run.releases.switch

    def taking_its_time(name: str) -> None:
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive(), "the steward waits for the switch"
        order.append("switch")
        switch(name)

    def change() -> None:
        classify(run.home, kb="sacred")
        order.append("change")

    waiting = threading.Thread(target=change)
    monkeypatch.setattr(run.releases, "switch", taking_its_time)
    run.deploys()
    waiting.join()
    assert order == ["switch", "change"]


def test_the_log_says_once_what_a_dataset_was_made_of(run: Run) -> None:
    uses = [entry for entry in ConsentBook(run.home.consent).chain().entries if entry.action == "use"]
    assert [entry.subject for entry in uses] == [f"dataset {run.dataset}"]
    assert uses[0].detail["documents"].endswith("public")

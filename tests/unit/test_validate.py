"""Both arms of a comparison search with the same models but one, against the release that was measured first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("numpy")
pytestmark = pytest.mark.ml

from jobs import validate
from jobs.adapters.ir_metrics import IrMeasures
from jobs.adapters.qmd_config import read_models
from jobs.domain.artifacts import ExportedModel, Parity, SearchModels
from jobs.domain.errors import Refused
from jobs.domain.examples import JudgedQuery
from jobs.domain.gates import Answer
from jobs.domain.results import BaselineResult, ValidationResult
from jobs.wire import Done, Event, JobSpec, Phase
from jobs.workshop import Workshop
from tests.learnt import ALL, Learnt

CANDIDATE = ExportedModel(
    gguf="/m/new-generate.gguf", sha256="s", quantisation="q4_k_m", parity=Parity(measures={}, problems=())
)


class Search:
    """Finds what is relevant in one answer of ``one_in``, and remembers the models it was opened with."""

    def __init__(self, one_in: int = 2) -> None:
        self.opened: list[SearchModels] = []
        self._one_in = one_in

    def version(self) -> str:
        return "2.8.3"

    def models(self, configuration: Path) -> SearchModels:
        return read_models(configuration)

    def open_arm(self, configuration: Path, index: Path, models: SearchModels) -> Search:
        self.opened.append(models)
        return self

    def index(self, *_: object, **__: object) -> None:
        pass

    def ask(self, queries: Sequence[JudgedQuery], how: str, most: int) -> Iterator[Answer]:
        for number, query in enumerate(queries):
            found = tuple(query.relevant) if number % self._one_in == 0 else ()
            yield Answer(query=query.id, documents=found, milliseconds=1.0)

    def close(self) -> None:
        pass


class Expansion:
    """A run of the expansion target up to its candidate, in a home with notes and a QMD that names its models."""

    def __init__(self, folder: Path, search: Search, uses: Sequence[str] = ALL) -> None:
        self.house, self.search = Learnt(folder), search
        self.house.write(*(f"{number}.md" for number in range(120)))
        self.house.classify(notes="personal")
        self.house.consent("me", "person", "notes", uses=uses)
        self.name_models("/m/embed.gguf")
        self.house.write_index(self.house.releases.current / "index" / "index.sqlite")
        self.dataset = self.house.built("expansion")

    def name_models(self, embed: str) -> None:
        configuration = self.house.releases.current / "qmd" / "index.yml"
        plain = configuration.read_text().partition("models:")[0]
        configuration.write_text(f"{plain}models:\n  embed: {embed}\n  generate: /m/generate.gguf\n")

    def workshop(self) -> Workshop:
        search: Any = self.search
        return replace(self.house.workshop(), search=search, scorer=IrMeasures)

    def measured(self, *, forced: bool = False) -> Done:
        return validate.run_baseline(self._spec("baseline", {"dataset": self.dataset.result}, forced), self.workshop())

    def validated(self, baseline: Done) -> ValidationResult:
        earlier = {
            "dataset": self.dataset.result,
            "baseline": baseline.result,
            "export": msgspec.to_builtins(CANDIDATE),
        }
        done = validate.run(self._spec("validate", earlier), self.workshop())
        return msgspec.convert(done.result, ValidationResult)

    def _spec(self, stage: Any, earlier: dict[str, Any], forced: bool = False) -> JobSpec:
        home = str(self.house.home.root)
        return JobSpec(job=1, stage=stage, home=home, run=9, target="expansion", earlier=earlier, forced=forced)


@pytest.fixture
def run(tmp_path: Path) -> Expansion:
    return Expansion(tmp_path, Search())


def test_the_arms_differ_in_the_trained_model_alone_whatever_the_configuration_says_by_then(run: Expansion) -> None:
    baseline = run.measured()
    run.name_models("/m/another-embed.gguf")
    result = run.validated(baseline)
    before, after = run.search.opened
    assert before == SearchModels(embed="/m/embed.gguf", generate="/m/generate.gguf")
    assert after == msgspec.structs.replace(before, generate=CANDIDATE.gguf)
    assert len(result.judged_by) >= 20


def test_a_candidate_is_not_judged_against_another_release_than_its_baseline(run: Expansion) -> None:
    baseline = run.measured()
    assert msgspec.convert(baseline.result, BaselineResult).live == "v0"
    assert run.house.learn() == "v1", "another run, or a person, switched meanwhile"
    with pytest.raises(Refused, match="v1 is live by now, and run 9 measured v0") as refusal:
        run.validated(baseline)
    assert "iaipctl run expansion" in refusal.value.remedy
    assert len(run.search.opened) == 1, "nothing was measured for nothing"


def test_a_candidate_does_not_go_live_over_another_release_than_its_baseline(tmp_path: Path) -> None:
    house = Learnt(tmp_path)
    house.write(*(f"{number}.md" for number in range(30)))
    house.classify(notes="public")
    assert house.learn() == "v1"
    with pytest.raises(Refused, match="v1 is live by now"):
        house.learn("expansion", measured="v0")
    assert (house.releases.live(), house.releases.names()) == ("v1", ["v0", "v1"])


def test_a_switch_by_hand_while_the_candidate_is_published_is_not_undone(tmp_path: Path) -> None:
    class Busy(Learnt):
        def workshop(self) -> Workshop:
            return replace(super().workshop(), emit=self.meanwhile)

        def meanwhile(self, event: Event) -> None:
            if event == Phase(text="publishing v2"):
                self.releases.roll_back()

    house = Busy(tmp_path)
    house.write(*(f"{number}.md" for number in range(30)))
    house.classify(notes="public")
    assert house.learn() == "v1"
    with pytest.raises(Refused, match="v0 is live by now"):
        house.learn("expansion")
    assert house.releases.live() == "v0"


def test_without_judged_queries_a_run_ends_before_anything_is_measured_or_trained(tmp_path: Path) -> None:
    run = Expansion(tmp_path, Search(), uses=("embed", "expand"))
    done = run.measured()
    assert done.ends_run is not None
    assert done.ends_run.startswith("cannot-tell: 0 judged queries, 20 are needed, so nothing was trained")
    assert '"evaluate"' in done.ends_run and "iaipctl evaluation add" in done.ends_run
    assert run.search.opened == []


def test_a_search_that_is_strong_already_is_trained_only_when_asked_for(tmp_path: Path) -> None:
    run = Expansion(tmp_path, Search(one_in=1))
    done = run.measured()
    assert done.ends_run is not None
    assert done.ends_run.startswith("already-strong: current search scores 1.000")
    asked = run.measured(forced=True)
    assert asked.ends_run is None
    assert msgspec.convert(asked.result, BaselineResult).plan.intensity == "gentle"


def test_a_weak_search_calls_for_a_firm_training(tmp_path: Path) -> None:
    baseline = msgspec.convert(Expansion(tmp_path, Search(one_in=4)).measured().result, BaselineResult)
    assert 0.2 < baseline.score < 0.3
    assert baseline.plan.intensity == "firm"

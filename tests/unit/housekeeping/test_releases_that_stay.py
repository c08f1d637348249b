"""Clearing away releases and models: what is needed stays, what is not goes, and a crash in between is made good."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.load import load_settings
from config.paths import Home
from daemon.housekeeping import Housekeeper
from daemon.ledger.books import Books
from jobs.domain.errors import Refused
from jobs.release_keeping import pin, remove, unpin
from jobs.releases import Releases
from jobs.workshop import RESULT
from tests.unit.housekeeping.material import NOW, OWNER, go_live, stage


def test_live_previous_adopted_and_newest_releases_stay_with_their_models(
    keeper: Housekeeper, releases: Releases
) -> None:
    for _ in range(5):
        go_live(releases)
    gone = keeper.clear()
    assert releases.names() == ["v0", "v3", "v4", "v5"]
    assert sorted(path.name for path in releases.models.iterdir()) == [f"base-{n:012x}.gguf" for n in (3, 4, 5)]
    assert {(item.kind, item.name) for item in gone.items} >= {("release", "v1"), ("model", f"base-{1:012x}.gguf")}


def test_the_way_back_leads_past_what_is_gone(keeper: Housekeeper, releases: Releases) -> None:
    for _ in range(5):
        go_live(releases)
    keeper.clear()
    assert [releases.roll_back() for _ in range(3)] == ["v4", "v3", "v0"]


def test_a_pinned_release_stays_until_it_is_unpinned(keeper: Housekeeper, releases: Releases) -> None:
    for _ in range(5):
        go_live(releases)
    pin(releases, "v1")
    keeper.clear()
    assert "v1" in releases.names()
    unpin(releases, "v1")
    keeper.clear()
    assert "v1" not in releases.names()


def test_a_plan_changes_nothing_and_says_what_clearing_does(keeper: Housekeeper, releases: Releases) -> None:
    for _ in range(4):
        go_live(releases)
    before = sorted(releases.root.rglob("*"))
    plan = keeper.plan()
    assert sorted(releases.root.rglob("*")) == before
    assert keeper.clear() == plan and plan.size > 0
    assert keeper.clear().items == ()


def test_nothing_is_deleted_while_a_job_of_a_run_is_at_work(
    keeper: Housekeeper, releases: Releases, books: Books
) -> None:
    for _ in range(4):
        go_live(releases)
    started = books.jobs.start_run("embedding", cause="test", forced=False, now=NOW)
    assert started is not None
    books.jobs.claim(started[1].id, OWNER, NOW)
    with pytest.raises(Refused, match="at work"):
        keeper.clear()
    keeper.tick()
    assert "v1" in releases.names()


def test_a_damaged_release_costs_nobody_anything(keeper: Housekeeper, home: Home, releases: Releases) -> None:
    go_live(releases)
    (releases.directory("v1") / "training-metadata.json").write_bytes(b"{")
    for _ in range(4):
        go_live(releases)
    (home.datasets / ("a" * 16)).mkdir(parents=True)
    keeper.clear()
    assert "v1" in releases.names() and (home.datasets / ("a" * 16)).is_dir()


def test_a_model_that_a_kept_configuration_mentions_stays(keeper: Housekeeper, home: Home, releases: Releases) -> None:
    model = releases.models / "base-0123456789ab.gguf"
    model.write_bytes(b"GGUF")
    (releases.directory("v0") / "qmd" / "index.yml").write_text(f"models:\n  embed: {model}\n")
    keeper.clear()
    assert model.exists()


def test_a_release_that_became_live_after_the_decision_stays_with_its_model(
    keeper: Housekeeper, releases: Releases, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        go_live(releases)

    def switched_first(which: Releases, name: str) -> bool:
        monkeypatch.undo()
        releases.roll_back("v1")
        return remove(which, name)

    monkeypatch.setattr("daemon.housekeeping.remove", switched_first)
    keeper.clear()
    assert releases.live() == "v1" and (releases.models / f"base-{1:012x}.gguf").exists()


def test_what_a_cut_off_deletion_left_is_swept(keeper: Housekeeper, home: Home, releases: Releases) -> None:
    trash = home.stages / ".stage-train-0000000000000001-abcd"
    (trash / "checkpoints").mkdir(parents=True)
    inner = home.stages / "canary-0000000000000001" / ".stage-export-xyz"
    inner.mkdir(parents=True)
    (inner.parent / RESULT).write_bytes(b"{}")
    keeper.clear()
    assert not trash.exists() and not inner.exists() and (inner.parent / RESULT).exists()


def test_a_deletion_that_breaks_off_leaves_nothing_half_and_is_made_good(
    keeper: Housekeeper, home: Home, releases: Releases, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        go_live(releases)
    left = [stage(home, f"baseline-{number:016x}") for number in range(3)]

    def broken(path: Path, *_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("jobs.publish.shutil.rmtree", broken)
    with pytest.raises(Refused, match="what is left is whole"):
        keeper.clear()
    keeper.tick()
    monkeypatch.undo()
    assert "v1" not in releases.names()
    assert all((releases.directory(name) / "training-metadata.json").exists() for name in releases.names())
    keeper.clear()
    releases.recover()
    assert releases.names() == ["v0", "v3", "v4", "v5"]
    assert not any(path.exists() for path in left) and not list(releases.root.glob(".stage-*"))


def test_the_defaults_keep_a_way_back() -> None:
    defaults = load_settings(Path("/nonexistent")).disk
    assert defaults.keep_releases >= 1 and defaults.keep_runs >= 1 and defaults.reserve > 10**9

"""Clearing away after runs: what one may still need stays, its checkpoints and old logs go, each at its time."""

from __future__ import annotations

import os

import pytest

from config.paths import Home
from daemon.housekeeping import Housekeeper, written_by
from daemon.ledger.books import Books
from jobs.publish import remove_directory
from jobs.releases import Releases
from jobs.workshop import RESULT
from tests.unit.housekeeping.material import ended_run, exported, go_live, stage


def test_the_material_of_runs_that_go_on_or_may_be_retried_stays(
    keeper: Housekeeper, books: Books, home: Home, releases: Releases
) -> None:
    old = ended_run(books, "failed", "0" * 16)
    failed = ended_run(books, "failed", "1" * 16)
    active = ended_run(books, "active", "2" * 16)
    for number in range(3):
        (home.datasets / (str(number) * 16)).mkdir(parents=True)
    for number, run in enumerate((old, failed, active)):
        stage(home, f"train-{number:016x}", run)
    shared = stage(home, "baseline-0000000000000009", old, active)
    keeper.clear()
    assert sorted(path.name for path in home.datasets.iterdir()) == ["1" * 16, "2" * 16]
    assert sorted(p.name for p in home.stages.iterdir()) == [shared.name, f"train-{1:016x}", f"train-{2:016x}"]


def test_of_a_done_run_the_dataset_and_the_exported_model_stay_and_no_checkpoint(
    keeper: Housekeeper, books: Books, home: Home, releases: Releases
) -> None:
    run = ended_run(books, "done", "1" * 16)
    (home.datasets / ("1" * 16)).mkdir(parents=True)
    gguf = releases.models / "base-0123456789ab.gguf"
    stage(home, "export-0000000000000001", run, result=exported(gguf))
    stage(home, "train-0000000000000001", run, result={})
    stage(home, "validate-0000000000000001", run, result={})
    keeper.clear()
    assert [path.name for path in home.stages.iterdir()] == ["export-0000000000000001"]
    assert gguf.exists() and (home.datasets / ("1" * 16)).is_dir()
    ended_run(books, "done", "2" * 16)
    keeper.clear()
    assert not gguf.exists() and not list(home.stages.iterdir()) and not list(home.datasets.iterdir())


def test_checkpoints_of_a_finished_training_go_while_its_run_goes_on(
    keeper: Housekeeper, books: Books, home: Home, releases: Releases
) -> None:
    run = ended_run(books, "active")
    finished = stage(home, "train-0000000000000001", run, result={})
    under_way = stage(home, "train-0000000000000002", run)
    keeper.clear()
    assert not (finished / "checkpoints").exists() and (finished / RESULT).exists()
    assert (under_way / "checkpoints" / "weights").exists()


def test_the_dataset_of_a_kept_release_tells_what_is_in_it_and_stays(
    keeper: Housekeeper, books: Books, home: Home, releases: Releases
) -> None:
    (home.datasets / ("a" * 16)).mkdir(parents=True)
    go_live(releases, dataset="a" * 16)
    ended_run(books, "done", "b" * 16)
    keeper.clear()
    assert (home.datasets / ("a" * 16)).is_dir()


def test_a_damaged_export_costs_no_model(keeper: Housekeeper, books: Books, home: Home, releases: Releases) -> None:
    model = releases.models / "base-0123456789ab.gguf"
    model.write_bytes(b"GGUF")
    left = stage(home, "export-0000000000000001", ended_run(books, "done"), result={})
    (left / RESULT).write_bytes(b"{")
    keeper.clear()
    assert model.exists()


def test_it_clears_at_start_after_a_run_and_once_a_day(
    keeper: Housekeeper, books: Books, home: Home, releases: Releases, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = [0.0]
    monkeypatch.setattr("daemon.housekeeping.time.monotonic", lambda: hours[0] * 3600)

    def clears() -> bool:
        left = stage(home, "baseline-0000000000000001")
        keeper.tick()
        gone = not left.exists()
        remove_directory(left)
        return gone

    assert clears()
    assert not clears()
    ended_run(books, "done")
    assert clears() and not clears()
    hours[0] = 25
    assert clears()


def test_a_checkpoint_that_was_never_finished_goes_unless_somebody_may_be_at_it(
    keeper: Housekeeper, home: Home, books: Books, releases: Releases
) -> None:
    run = ended_run(books, "failed")
    checkpoints = stage(home, "train-0000000000000001", run) / "checkpoints"
    (checkpoints / "step-0000000025").mkdir(parents=True)
    old, fresh = checkpoints / ".stage-step-0000000050-aa", checkpoints / ".stage-step-0000000050-bb"
    for orphan in (old, fresh):
        orphan.mkdir()
    os.utime(old, (0, 0))
    keeper.clear()
    assert sorted(path.name for path in checkpoints.iterdir()) == [fresh.name, "step-0000000025", "weights"]


def test_old_logs_go(keeper: Housekeeper, home: Home, releases: Releases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.housekeeping.KEPT_LOGS", 2)
    folder = home.logs / "jobs"
    folder.mkdir(parents=True)
    for job in (7, 8, 9, 10):
        (folder / f"{job}.log").touch()
    keeper.clear()
    assert sorted(path.name for path in folder.iterdir()) == ["10.log", "9.log"]


def test_what_a_run_has_written_is_counted_by_stage(home: Home) -> None:
    stage(home, "train-0000000000000001", 3)
    stage(home, "baseline-0000000000000001", 4)
    assert set(written_by(3, home.stages, "")) == {"train"}
    assert 5000 <= written_by(3, home.stages, "")["train"] <= 64_000

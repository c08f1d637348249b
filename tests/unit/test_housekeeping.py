"""Clearing away on a real home: what is needed stays, what is not goes, and a crash in between is made good."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from config.load import load_settings
from config.paths import Home
from config.settings import DiskSettings
from daemon.housekeeping import Housekeeper, written_by
from daemon.ledger.books import Books, open_books
from daemon.ledger.records import Owner
from jobs.domain.artifacts import ExportedModel, LiveModel, Parity, ReleaseMetadata
from jobs.domain.errors import Refused
from jobs.publish import remove_directory
from jobs.release_keeping import pin, remove, unpin
from jobs.releases import Releases
from jobs.workshop import RESULT, RUN_MARK

NOW = datetime(2026, 1, 2, tzinfo=UTC)
OWNER = Owner(boot="boot", pid=1, started=1.0)
KEEP = DiskSettings(reserve=0, keep_releases=1, keep_runs=1)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(root=tmp_path / "home")


@pytest.fixture
def books(home: Home) -> Books:
    return open_books(home.ledger)


@pytest.fixture
def releases(home: Home) -> Releases:
    found = Releases(home.releases, lambda live, other: other)
    found.models.mkdir(parents=True)
    found.publish(ReleaseMetadata(name="v0", created_at=NOW, targets={}), "collections: {}\n", Path.touch)
    found.switch("v0")
    found.confirm("v0")
    return found


@pytest.fixture
def keeper(books: Books, home: Home, releases: Releases) -> Housekeeper:
    return Housekeeper(books, home, releases, KEEP, books.database.transaction)


def go_live(releases: Releases, *, run: int | None = None, dataset: str | None = None) -> str:
    """A new release with a model of its own, switched to and confirmed."""
    name = releases.next_name()
    gguf = releases.models / f"base-{int(name[1:]):012x}.gguf"
    gguf.write_bytes(name.encode() * 100)
    model = LiveModel(base="base", gguf=str(gguf), sha256=sha256(name.encode() * 100).hexdigest())
    metadata = ReleaseMetadata(name=name, created_at=NOW, targets={"embedding": model}, run=run, dataset=dataset)
    releases.publish(metadata, "collections: {}\n", Path.touch)
    releases.switch(name)
    releases.confirm(name)
    return name


def ended_run(books: Books, state: str, dataset: str = "") -> int:
    """A run whose dataset job is done, or is on its way if the run is active."""
    started = books.jobs.start_run("embedding", cause="test", forced=False, now=NOW)
    assert started is not None
    run, job = started
    claimed = books.jobs.claim(job.id, OWNER, NOW)
    assert claimed is not None
    books.jobs.finish(claimed, {"dataset": dataset, "rows": {}}, None, NOW)
    if state != "active":
        books.jobs.end_run(run.id, state, None, "test", NOW)
    return run.id


def stage(home: Home, name: str, *runs: int, result: object = None) -> Path:
    directory = home.stages / name
    (directory / "checkpoints").mkdir(parents=True)
    (directory / "checkpoints" / "weights").write_bytes(b"w" * 5000)
    for run in runs:
        (directory / f"{RUN_MARK}{run}").touch()
    if result is not None:
        (directory / RESULT).write_bytes(msgspec.json.encode(result))
    return directory


def exported(gguf: Path) -> ExportedModel:
    gguf.write_bytes(b"GGUF" * 2000)
    parity = Parity(measures={}, problems=())
    return ExportedModel(gguf=str(gguf), sha256="0" * 64, quantisation="f16", parity=parity)


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


def test_a_damaged_release_costs_nobody_anything(keeper: Housekeeper, home: Home, releases: Releases) -> None:
    go_live(releases)
    (releases.directory("v1") / "training-metadata.json").write_bytes(b"{")
    for _ in range(4):
        go_live(releases)
    (home.datasets / ("a" * 16)).mkdir(parents=True)
    keeper.clear()
    assert "v1" in releases.names() and (home.datasets / ("a" * 16)).is_dir()


def test_a_damaged_export_costs_no_model(keeper: Housekeeper, books: Books, home: Home, releases: Releases) -> None:
    model = releases.models / "base-0123456789ab.gguf"
    model.write_bytes(b"GGUF")
    left = stage(home, "export-0000000000000001", ended_run(books, "done"), result={})
    (left / RESULT).write_bytes(b"{")
    keeper.clear()
    assert model.exists()


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
    assert set(written_by(3, home.stages)) == {"train"}
    assert 5000 <= written_by(3, home.stages)["train"] <= 64_000


def test_the_defaults_keep_a_way_back() -> None:
    defaults = load_settings(Path("/nonexistent")).disk
    assert defaults.keep_releases >= 1 and defaults.keep_runs >= 1 and defaults.reserve > 10**9

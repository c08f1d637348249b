"""One symlink is live; everything needed to go back is on disk."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from config.paths import QmdFiles
from jobs.adoption import adopt
from jobs.domain.artifacts import LiveModel
from jobs.domain.errors import Refused
from jobs.releases import WITHDRAWN, Gain, ReleaseMetadata, Releases

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


def merged(live: str, other: str) -> str:
    """Stands for the YAML merge: collections of the first, models of the second."""
    return live.partition("|")[0] + "|" + other.partition("|")[2]


@pytest.fixture
def files(tmp_path: Path) -> QmdFiles:
    found = QmdFiles(config=tmp_path / "qmd" / "index.yml", index=tmp_path / "cache" / "index.sqlite")
    found.config.parent.mkdir()
    found.index.parent.mkdir()
    found.config.write_text("notes|base")
    with closing(sqlite3.connect(found.index)) as index:
        index.execute("CREATE TABLE content (doc)")
        index.execute("INSERT INTO content VALUES ('été')")
        index.commit()
    return found


@pytest.fixture
def releases(tmp_path: Path, files: QmdFiles) -> Releases:
    found = Releases(tmp_path / "releases", merged)
    adopt(found, files, NOW, {})
    return found


def publish(releases: Releases, models: str) -> str:
    name = releases.next_name()
    gguf = releases.models / f"{models}.gguf"
    gguf.write_bytes(models.encode())
    metadata = ReleaseMetadata(
        name=name,
        created_at=NOW,
        targets={"embedding": LiveModel(base="b", gguf=str(gguf), sha256=sha256(models.encode()).hexdigest())},
        gain=Gain(metric="nDCG@10", delta=0.1, low=0.05, high=0.15),
    )
    releases.publish(metadata, f"old notes|{models}", Path.touch)
    return name


def test_adoption_leaves_links_and_keeps_every_byte(releases: Releases, files: QmdFiles) -> None:
    assert releases.live() == "v0"
    assert files.config.is_symlink() and files.config.read_text() == "notes|base"
    with closing(sqlite3.connect(files.index)) as index:
        assert index.execute("SELECT doc FROM content").fetchone() == ("été",)


def test_adoption_can_be_repeated_and_takes_the_newest_plain_file(releases: Releases, files: QmdFiles) -> None:
    files.config.unlink()
    files.config.write_text("notes, recipes|base")
    adopt(releases, files, NOW, {})
    assert files.config.is_symlink() and files.config.read_text() == "notes, recipes|base"


def test_a_switch_carries_the_collections_of_today(releases: Releases, files: QmdFiles) -> None:
    name = publish(releases, "tuned")
    releases.switch(name)
    assert files.config.read_text() == "notes|tuned"


def test_a_new_release_is_on_trial_until_it_is_confirmed(releases: Releases) -> None:
    name = publish(releases, "tuned")
    releases.switch(name)
    assert releases.release(name).state == "trial"
    releases.confirm(name)
    assert releases.release(name).state == "live"


def test_rollback_goes_back_step_by_step_and_forward_by_name(releases: Releases) -> None:
    for models in ("one", "two"):
        releases.switch(name := publish(releases, models))
        releases.confirm(name)
    assert [releases.roll_back(), releases.roll_back()] == ["v1", "v0"]
    with pytest.raises(Refused, match="no earlier release"):
        releases.roll_back()
    assert releases.release("v2").state == "rolled-back"
    assert releases.roll_back("v2") == "v2"
    assert releases.release("v2").state == "live"
    assert releases.roll_back() == "v0", "back to what was live before, not to the number below"


def test_a_withdrawn_release_is_refused_and_stepped_over(releases: Releases) -> None:
    for models in ("one", "two"):
        releases.switch(name := publish(releases, models))
        releases.confirm(name)
    (releases.directory("v1") / WITHDRAWN).touch()
    with pytest.raises(Refused, match="withdrawn"):
        releases.roll_back("v1")
    assert releases.live() == "v2"
    assert releases.roll_back() == "v0"


def test_a_crash_during_a_trial_goes_back_at_the_next_start(releases: Releases) -> None:
    releases.switch(publish(releases, "tuned"))
    assert releases.recover() == "v1"
    assert releases.live() == "v0"
    assert releases.recover() is None


def test_a_confirmed_release_survives_a_restart(releases: Releases) -> None:
    releases.switch(name := publish(releases, "tuned"))
    releases.confirm(name)
    assert releases.recover() is None
    assert releases.live() == name


def test_a_release_holds_its_models_without_a_second_copy(releases: Releases) -> None:
    name = publish(releases, "tuned")
    inside = releases.directory(name) / "models" / "tuned.gguf"
    assert inside.samefile(releases.models / "tuned.gguf")


def test_numbers_sort_as_numbers(releases: Releases) -> None:
    for models in range(11):
        publish(releases, str(models))
    assert releases.names()[-1] == "v11"
    assert releases.next_name() == "v12"

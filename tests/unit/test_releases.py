"""One symlink is live; everything needed to go back is on disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from config.paths import QmdFiles
from jobs import release_damage
from jobs.adoption import adopt
from jobs.domain.artifacts import Gain, LiveModel, ReleaseMetadata
from jobs.domain.errors import BadInput, Refused
from jobs.release_publishing import publish_release
from jobs.releases import METADATA, WITHDRAWN, Releases

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
    found = Releases(tmp_path / "releases", merged, lambda _: True)
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
    publish_release(releases, metadata, f"old notes|{models}", Path.touch)
    return name


def test_an_index_that_was_copied_badly_makes_no_release(releases: Releases) -> None:
    metadata = ReleaseMetadata(name="v1", created_at=NOW, targets={})
    with pytest.raises(BadInput, match="was not written whole"):
        publish_release(releases, metadata, "notes|one", lambda path: path.write_text("half an index"))
    assert releases.names() == ["v0"] and not list(releases.root.glob(".stage-*"))


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


def promote(releases: Releases, *models: str) -> None:
    for each in models:
        releases.switch(name := publish(releases, each))
        releases.confirm(name)


def spoil(releases: Releases, models: str) -> None:
    """One bit of a model, as a failing disk would."""
    gguf = releases.models / f"{models}.gguf"
    gguf.write_bytes(bytes([gguf.read_bytes()[0] ^ 1]) + gguf.read_bytes()[1:])


def test_a_damaged_release_never_goes_live_and_the_next_step_is_named(releases: Releases) -> None:
    promote(releases, "one", "two")
    spoil(releases, "one")
    with pytest.raises(Refused, match=r"v1 cannot go live: .*one\.gguf is damaged; v2 stays live") as told:
        releases.roll_back()
    assert told.value.remedy == "`iaipctl rollback --to v0`"
    assert releases.live() == "v2"
    assert releases.roll_back("v0") == "v0"


def overwritten(index: Path) -> None:
    with closing(sqlite3.connect(index)) as database:
        database.execute("CREATE TABLE content (doc)")
        database.executemany("INSERT INTO content VALUES (?)", [("été" * 500,)] * 50)
        database.commit()
    whole = index.read_bytes()
    index.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))


@pytest.mark.parametrize("harm", [overwritten, Path.unlink])
def test_a_release_whose_index_cannot_answer_never_goes_live(releases: Releases, harm: Callable[[Path], None]) -> None:
    promote(releases, "one", "two")
    harm(releases.directory("v1") / "index" / "index.sqlite")
    with pytest.raises(Refused, match=r"v1 cannot go live: .*index\.sqlite.*; v2 stays live") as told:
        releases.roll_back()
    assert told.value.remedy == "`iaipctl rollback --to v0`"
    assert releases.live() == "v2"


def test_a_way_back_reads_each_model_once_and_none_that_both_search_with(releases: Releases, monkeypatch) -> None:
    promote(releases, "one", "two", "two")
    read, digest_of = list[str](), release_damage._sha256

    def counted(path: Path) -> str:
        read.append(path.name)
        return digest_of(path)

    monkeypatch.setattr(release_damage, "_sha256", counted)
    assert releases.roll_back() == "v2" and read == []
    assert releases.roll_back() == "v1" and read == ["one.gguf"]


def test_a_release_whose_metadata_are_damaged_can_be_left(releases: Releases) -> None:
    promote(releases, "one", "two")
    (releases.directory("v2") / METADATA).write_text("{")
    assert releases.roll_back() == "v1"


def test_a_release_whose_model_is_gone_or_whose_index_is_no_index_is_refused(releases: Releases) -> None:
    promote(releases, "one", "two", "three")
    (releases.models / "two.gguf").unlink()
    with pytest.raises(Refused, match="is not there"):
        releases.roll_back()
    (releases.directory("v1") / "index" / "index.sqlite").write_bytes(b"no index at all" * 100)
    with pytest.raises(Refused, match="not a usable QMD index"):
        releases.roll_back("v1")
    assert releases.live() == "v3"


def test_a_trial_that_ends_by_itself_goes_back_past_a_damaged_release(releases: Releases) -> None:
    promote(releases, "one")
    releases.switch(publish(releases, "two"))
    spoil(releases, "one")
    assert releases.recover() == "v2"
    assert releases.live() == "v0"


def test_a_trial_stays_when_nothing_before_it_is_whole(releases: Releases) -> None:
    releases.switch(publish(releases, "one"))
    (releases.directory("v0") / "index" / "index.sqlite").write_bytes(b"no index at all" * 100)
    assert releases.recover() is None
    assert releases.release("v1").state == "trial"
    with pytest.raises(Refused, match="v1 stays live"):
        releases.take_back("v1", "found unhealthy")


def test_why_a_release_was_left_is_known_unless_it_was_only_interrupted(releases: Releases) -> None:
    promote(releases, "one")
    releases.switch(publish(releases, "two"))
    releases.recover()
    assert releases.left_because("v2") is None, "its trial may be repeated"
    releases.switch("v2")
    assert releases.release("v2").state == "trial", "the second attempt is a trial as well"
    releases.take_back("v2", "found unhealthy")
    assert releases.left_because("v2") == "found unhealthy"
    releases.roll_back()
    assert releases.left_because("v1") == "taken back by hand"


def test_what_was_taken_back_meanwhile_is_not_confirmed_nor_taken_back_again(releases: Releases) -> None:
    promote(releases, "one")
    releases.switch(publish(releases, "two"))
    releases.roll_back()
    assert not releases.confirm("v2")
    assert releases.take_back("v2", "found unhealthy") == "v1"
    assert releases.left_because("v2") == "taken back by hand"


def test_notes_of_a_switch_that_did_not_come_to_pass_are_taken_away(releases: Releases) -> None:
    promote(releases, "one")
    publish(releases, "two")
    (releases.directory("v2") / "TRIAL").touch()
    (releases.directory("v1") / "ROLLED-BACK").touch()
    assert releases.recover() is None
    releases.switch("v2")
    releases.confirm("v2")
    assert [release.state for release in releases.all()] == ["previous", "previous", "live"]


def test_the_sums_name_the_models_inside_and_hold(releases: Releases) -> None:
    directory = releases.directory(publish(releases, "tuned"))
    [line] = (directory / "SHA256SUMS").read_text().splitlines()
    digest, name = line.split("  ")
    assert sha256((directory / name).read_bytes()).hexdigest() == digest


def test_the_write_ahead_log_of_the_adopted_index_goes_even_if_the_adoption_was_cut_off(
    releases: Releases, files: QmdFiles
) -> None:
    """A log left beside the link would be taken for that of a plain file put there later."""
    left = files.index.with_name(files.index.name + "-wal")
    left.write_bytes(b"of another file")
    adopt(releases, files, NOW, {})
    assert not left.exists()

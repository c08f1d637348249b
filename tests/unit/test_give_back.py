"""Uninstalling gives the owner's QMD files back as plain files, whatever happens in between."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.paths import QmdFiles
from jobs import publish
from jobs.adoption import adopt, give_back
from jobs.publish import STAGE_PREFIX
from jobs.releases import Releases

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


@pytest.fixture
def files(tmp_path) -> QmdFiles:
    found = QmdFiles(config=tmp_path / "qmd" / "index.yml", index=tmp_path / "cache" / "index.sqlite")
    for path in (found.config, found.index):
        path.parent.mkdir()
    found.config.write_text("collections: {}\n")
    with closing(sqlite3.connect(found.index)) as index:
        index.execute("CREATE TABLE content (doc)")
        index.execute("INSERT INTO content VALUES ('été')")
        index.commit()
    return found


@pytest.fixture
def releases(tmp_path, files) -> Releases:
    found = Releases(tmp_path / "releases", lambda live, _: live, lambda _: True)
    adopt(found, files, NOW, {})
    return found


def is_whole(files: QmdFiles) -> bool:
    with closing(sqlite3.connect(f"file:{files.index}?mode=ro", uri=True)) as index:
        found = index.execute("SELECT doc FROM content").fetchall()
    return files.config.read_text() == "collections: {}\n" and found == [("été",)]


def test_both_files_come_back_as_plain_files(releases, files) -> None:
    assert give_back(releases, files) == [files.index, files.config]
    assert not files.config.is_symlink() and not files.index.is_symlink() and is_whole(files)
    assert give_back(releases, files) == [], "a second call finds nothing to do"


def test_what_was_given_back_can_be_adopted_again(releases, files) -> None:
    give_back(releases, files)
    files.config.write_text("collections: {}\n# edited since\n")
    adopt(releases, files, NOW, {})
    assert files.config.is_symlink() and files.config.read_text().endswith("# edited since\n")


def test_a_file_of_the_owners_own_is_left_alone(releases, files) -> None:
    files.config.unlink()
    files.config.write_text("mine")
    assert give_back(releases, files) == [files.index]
    assert files.config.read_text() == "mine"


def test_links_into_a_home_that_is_not_there_stay_and_work_again_when_it_is_back(releases, files, tmp_path) -> None:
    away = releases.root.rename(tmp_path / "unmounted")
    assert give_back(releases, files) == [] and files.config.is_symlink() and files.index.is_symlink()
    away.rename(releases.root)
    assert is_whole(files)


def test_an_index_that_never_was_leaves_no_link_behind(tmp_path, files) -> None:
    files.index.unlink()
    releases = Releases(tmp_path / "none", lambda live, _: live, lambda _: True)
    adopt(releases, files, NOW, {})
    give_back(releases, files)
    assert not files.index.is_symlink() and not files.index.exists()


class _PlugPulled(BaseException):
    """Nothing after it runs, as after a power cut."""


@pytest.mark.parametrize("moment", range(1, 9))
def test_the_plug_may_be_pulled_at_any_step(releases, files, monkeypatch, moment) -> None:
    steps = 0

    def counted(real):
        def step(*arguments):
            nonlocal steps
            steps += 1
            if steps == moment:
                raise _PlugPulled
            return real(*arguments)

        return step

    monkeypatch.setattr(publish, "sync_file", counted(publish.sync_file))
    monkeypatch.setattr(publish, "sync_directory", counted(publish.sync_directory))
    monkeypatch.setattr(Path, "replace", counted(Path.replace))
    with suppress(_PlugPulled):
        give_back(releases, files)
    assert is_whole(files), "each place holds its link or the whole copy"
    monkeypatch.undo()
    give_back(releases, files)
    assert not files.config.is_symlink() and is_whole(files)
    left = [path for folder in (files.config.parent, files.index.parent) for path in folder.glob(f"{STAGE_PREFIX}*")]
    assert left == []


def test_what_a_kill_left_beside_the_link_is_swept_and_nothing_else(releases, files) -> None:
    orphan = files.config.with_name(f"{STAGE_PREFIX}index.yml-dead")
    other = files.config.with_name(f"{STAGE_PREFIX}other-dead")
    for path in (orphan, other):
        path.write_text("half")
    give_back(releases, files)
    assert not orphan.exists() and other.exists()

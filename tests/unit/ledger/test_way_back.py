"""The version before finds a ledger that it can read."""

from __future__ import annotations

import pytest

from config.paths import Home
from daemon.ledger import database, snapshots
from daemon.ledger.database import Newer
from daemon.ledger.restore import let_go_back, open_keeping_a_copy, open_or_restore
from daemon.ledger.schema import MIGRATIONS
from jobs.releases import Releases
from tests.unit.ledger.keeping import LATER, NOW, opened


@pytest.fixture
def upgraded(home: Home, releases: Releases, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A newer version brought the ledger forward and wrote into it; then this one is put back."""
    books = opened(home, releases)
    books.knowledge.set_fact("of-before", "kept")
    books.database.close()
    with monkeypatch.context() as newer:
        for module in (database, snapshots):
            newer.setattr(module, "MIGRATIONS", (*MIGRATIONS, "ALTER TABLE fact RENAME TO facts;"))
        open_keeping_a_copy(home, NOW).database.close()
    return home


def test_a_ledger_that_is_brought_forward_is_copied_before(upgraded: Home) -> None:
    [copy] = snapshots.listed(upgraded.snapshots)
    assert copy.problem is None and copy.taken_at == NOW


def test_a_newer_ledger_is_left_alone_without_a_word_of_an_upgrade(upgraded: Home, releases: Releases) -> None:
    before = upgraded.ledger.read_bytes()
    with pytest.raises(Newer, match="newer version"):
        opened(upgraded, releases)
    assert upgraded.ledger.read_bytes() == before


def test_the_version_that_is_gone_back_to_finds_its_own_ledger_again_once(upgraded: Home, releases: Releases) -> None:
    let_go_back(upgraded)
    books, restored = open_or_restore(upgraded, releases, LATER)
    assert restored is not None and restored.since == NOW and restored.kept is not None
    assert books.knowledge.fact("of-before") == "kept"
    assert (restored.kept / "ledger.sqlite").exists() and not upgraded.way_back.exists()


def test_going_back_needs_no_other_ledger_where_this_version_reads_the_one_there_is(
    home: Home, releases: Releases
) -> None:
    opened(home, releases).database.close()
    let_go_back(home)
    _, restored = open_or_restore(home, releases, LATER)
    assert restored is None and not home.way_back.exists()


def test_without_a_copy_that_can_be_read_a_newer_ledger_stays(upgraded: Home, releases: Releases) -> None:
    for copy in upgraded.snapshots.iterdir():
        copy.unlink()
    let_go_back(upgraded)
    with pytest.raises(Newer):
        opened(upgraded, releases)

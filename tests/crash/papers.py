"""What is written beside the releases: the ledger's restoration and copies, requests, consent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from unittest.mock import patch

from config.paths import Home
from daemon import spool
from daemon.ledger import snapshots
from daemon.ledger.books import Books
from daemon.ledger.restore import open_or_restore
from daemon.recover import sweep
from jobs.consent.book import ConsentBook
from tests.crash.house import NOW, House
from tests.crash.scenarios import Scenario

DIARY = b"Dear diary, " * 1000


def home_of(house: House) -> Home:
    return Home(root=house.root / "home")


@contextmanager
def opened(house: House) -> Iterator[Books]:
    """As every start opens it."""
    books, _ = open_or_restore(home_of(house), house.releases, datetime.now(UTC))
    try:
        yield books
    finally:
        books.database.close()


def start(house: House) -> None:
    """The next start, longer after the crash than any command takes to write a file.

    The machine's temporary folder is left alone: what other tests' dead processes left there is no moment of this disk.
    """
    with (
        opened(house),
        patch("daemon.recover.SECONDS_A_FILE", 0.0),
        patch("daemon.recover.sweep_temporary", autospec=True),
    ):
        sweep(home_of(house))


def ledger_with_a_copy(house: House) -> None:
    with opened(house) as books:
        books.knowledge.set_fact("kept", "yes")
        snapshots.take(home_of(house).ledger, home_of(house).snapshots, at=NOW)


def ledger_overwritten(house: House) -> None:
    ledger_with_a_copy(house)
    home_of(house).ledger.write_bytes(DIARY)


def ledger_restored(house: House) -> str:
    """The next start restores it, so it is always the new."""
    home = home_of(house)
    with opened(house) as books:
        assert books.knowledge.fact("kept") == "yes"
        assert {alert.kind for alert in books.alerts.unread()} == {"ledger-restored"}
    assert any(path.read_bytes() == DIARY for path in home.damaged.glob("*/ledger.sqlite")), "the old file is kept"
    assert not (home.root / "ledger.restoring").exists()
    assert house.left_over() == []
    return "new"


def copy_again(house: House) -> None:
    snapshots.take(home_of(house).ledger, home_of(house).snapshots, at=NOW)


def copies_whole(house: House) -> str:
    assert house.left_over() == []
    found = snapshots.listed(home_of(house).snapshots)
    assert found and all(copy.problem is None for copy in found)
    return "new" if len(found) > 1 else "old"


def ask(house: House) -> None:
    spool.put(home_of(house).requests, "refresh", {})


def asked(house: House) -> str:
    assert house.left_over() == []
    waiting = spool.waiting(home_of(house).requests)
    assert all(spool._read(path).action == "refresh" for path in waiting)
    return "new" if waiting else "old"


def ledger_and_a_request(house: House) -> None:
    start(house)
    ask(house)


def enter(house: House) -> None:
    with opened(house) as books:
        assert spool.take(home_of(house).requests, books.requests, NOW) == 0


def entered_once(house: House) -> str:
    """The next start enters what still lies there."""
    assert spool.waiting(home_of(house).requests) == []
    with opened(house) as books:
        assert [request.action for request in books.requests.waiting()] == ["refresh"]
    return "new"


def note(house: House, subject: str) -> None:
    ConsentBook(home_of(house).consent).note_once("note", subject, {}, NOW)


def log_whole(house: House) -> str:
    assert house.left_over() == []
    chain = ConsentBook(home_of(house).consent).chain()
    assert chain.problem == ""
    subjects = [entry.subject for entry in chain.entries]
    assert subjects in (["first"], ["first", "second"])
    return "new" if len(subjects) == 2 else "old"


PAPERS = [
    Scenario(
        name="a damaged ledger is restored",
        prepare=ledger_overwritten,
        work=start,
        repair=start,
        examine=ledger_restored,
    ),
    Scenario(
        name="the ledger is copied", prepare=ledger_with_a_copy, work=copy_again, repair=start, examine=copies_whole
    ),
    Scenario(name="a request is made", prepare=start, work=ask, repair=start, examine=asked),
    Scenario(name="a request is entered", prepare=ledger_and_a_request, work=enter, repair=enter, examine=entered_once),
    Scenario(
        name="the consent log grows",
        prepare=lambda house: note(house, "first"),
        work=lambda house: note(house, "second"),
        repair=start,
        examine=log_whole,
    ),
]

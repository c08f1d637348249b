"""What is done to releases: published, promoted, taken back, withdrawn, removed, and the owner's files adopted."""

from __future__ import annotations

from collections.abc import Callable
from unittest.mock import patch

from config.paths import Home
from daemon.recover import sweep
from jobs.consent.book import ConsentBook
from jobs.consent.withdrawals import Journal
from jobs.domain.consent_log import Chain
from jobs.domain.corpus import DocumentId
from jobs.domain.withdrawal import denied_by
from jobs.release_keeping import remove
from jobs.releases import BY_HAND
from jobs.withdrawal.asking import Asked
from jobs.withdrawal.stopping import begin, stop
from tests.crash.house import NOW, House, read_index
from tests.crash.scenarios import Scenario, one_of


def recover(house: House) -> None:
    house.releases.recover()


def live_is(old: str, new: str) -> Callable[[House], str]:
    def examine(house: House) -> str:
        house.assert_sound()
        return one_of(house.releases.live(), old, new)

    return examine


def release_published(house: House) -> str:
    house.assert_sound()
    return one_of(house.releases.names(), ["v0", "v1"], ["v0", "v1", "v2"])


def publish_second(house: House) -> None:
    if "v2" not in house.releases.names():
        house.publish()


def second_waits(house: House) -> None:
    house.with_releases(1)
    house.publish()


def second_on_trial(house: House) -> None:
    second_waits(house)
    house.releases.switch("v2")


def second_trial_interrupted(house: House) -> None:
    second_on_trial(house)
    assert house.releases.recover() == "v2"


def second_taken_back(house: House) -> None:
    house.with_releases(2)
    house.releases.roll_back()


def promote(house: House) -> None:
    """As the deploy job, also when it is done again."""
    house.releases.switch("v2")
    assert house.releases.confirm("v2")


def taken_back_by_hand(house: House) -> str:
    house.assert_sound()
    if house.releases.live() == "v2":
        return "old"
    assert house.releases.live() == "v1"
    assert house.releases.left_because("v2") == BY_HAND
    return "new"


def roll_back_to_first(house: House) -> None:
    house.releases.roll_back("v1")


def trial_ended(house: House) -> str:
    """Before or after: v1 is live, because the next start ends a trial in the same way."""
    house.assert_sound()
    assert house.releases.live() == "v1"
    return "new"


def one_to_withdraw(house: House) -> None:
    """v1 may stay; v2, which is live, was learnt from nobody knows what."""
    house.with_releases(1)
    house.releases.switch(name := house.publish(target="embedding"))
    house.releases.confirm(name)


def withdraw(house: House) -> None:
    """As the command, given for the first time or again."""
    home = Home(root=house.root / "home")
    if not (journal := Journal(home.consent)).all():
        document = DocumentId(collection="notes", path="story.md")
        asked = Asked(what="document", name=str(document), documents=(document,), contents=("ab",))
        begin(asked, home, house.releases, by="a test", now=NOW)
    for one in journal.all():
        if "stopped" not in one.done:
            stop(one, home, house.releases, NOW)


def take_up_withdrawals(house: House) -> None:
    """The sweep of the next start, the repair of releases, then what the attendant does first."""
    home = Home(root=house.root / "home")
    with patch("daemon.recover.SECONDS_A_FILE", 0.0), patch("daemon.recover.sweep_temporary", autospec=True):
        sweep(home)
    house.releases.recover()
    for one in Journal(home.consent).open():
        if "stopped" not in one.done:
            stop(one, home, house.releases, NOW)


def withdrawn_or_not(house: House) -> str:
    """Before it was written down nothing has happened; from then on it is stopped, denied and sealed."""
    home, releases = Home(root=house.root / "home"), house.releases
    known = Journal(home.consent).all()
    chain = ConsentBook(home.consent).chain()
    assert chain.problem == ""
    states = {name: releases.release(name).state for name in releases.names()}
    house.assert_answers()
    if not known:
        assert (releases.live(), chain.entries) == ("v2", ())
        return "old"
    assert (releases.live(), states["v2"], len(chain.entries)) == ("v1", "withdrawn", 1)
    assert denied_by(chain, ()) == denied_by(Chain(), known)
    return "new"


def owner_keeps_all(house: House) -> str:
    """The owner's two files answer as ever, adopted or not."""
    assert read_index(house.files.index) == "v0"
    assert "hf:none/v0" in house.files.config.read_text("utf-8")
    linked = house.files.config.is_symlink() and house.files.index.is_symlink()
    if linked:
        house.assert_sound()
    return "new" if linked else "old"


def newer_plain_files(house: House) -> None:
    """The owner restored both from a backup: plain files stand in the places of the links again."""
    house.with_releases(0)
    config = house.files.config.read_text("utf-8")
    content = house.files.index.read_bytes()
    house.files.config.unlink()
    house.files.index.unlink()
    house.files.config.write_text(config + "# newer\n", "utf-8")
    house.files.index.write_bytes(content)


def newer_kept(house: House) -> str:
    assert "# newer" in house.files.config.read_text("utf-8")
    return owner_keeps_all(house)


def first_removed(house: House) -> str:
    house.assert_sound()
    kept = "v1" in house.releases.names()
    assert house.releases.names() == ["v0", *(["v1"] if kept else []), "v2", "v3"]
    assert house.releases.before("v3") == "v2"
    assert house.releases.before("v2") in (("v1", "v0") if kept else ("v0",)), "the way back leads past it"
    return "old" if kept else "new"


RELEASES = [
    Scenario(
        name="a release is published",
        prepare=lambda house: house.with_releases(1),
        work=publish_second,
        repair=recover,
        examine=release_published,
    ),
    *(
        Scenario(name=name, prepare=prepare, work=promote, repair=recover, examine=live_is("v1", "v2"))
        for name, prepare in (
            ("a release goes live on trial and is confirmed", second_waits),
            ("an interrupted trial is tried again", second_trial_interrupted),
            ("a trial is confirmed", second_on_trial),
        )
    ),
    Scenario(
        name="a release is taken back by hand",
        prepare=lambda house: house.with_releases(2),
        work=roll_back_to_first,
        repair=recover,
        examine=taken_back_by_hand,
    ),
    Scenario(
        name="a trial is taken back as unhealthy",
        prepare=second_on_trial,
        work=lambda house: house.releases.take_back("v2", "found unhealthy"),
        repair=recover,
        examine=trial_ended,
    ),
    Scenario(
        name="a release comes back by hand",
        prepare=second_taken_back,
        work=lambda house: house.releases.roll_back("v2"),
        repair=recover,
        examine=live_is("v1", "v2"),
    ),
    Scenario(
        name="a document is withdrawn at once",
        prepare=one_to_withdraw,
        work=withdraw,
        repair=take_up_withdrawals,
        examine=withdrawn_or_not,
    ),
    Scenario(
        name="the repair after a crash on trial",
        prepare=second_on_trial,
        work=recover,
        repair=recover,
        examine=trial_ended,
    ),
    Scenario(
        name="a release is removed",
        prepare=lambda house: house.with_releases(3),
        work=lambda house: remove(house.releases, "v1"),
        repair=recover,
        examine=first_removed,
        removes=True,
    ),
    Scenario(
        name="adoption",
        prepare=House.bring_files,
        work=House.adopt,
        repair=recover,
        examine=owner_keeps_all,
    ),
    Scenario(
        name="adoption of newer files", prepare=newer_plain_files, work=House.adopt, repair=recover, examine=newer_kept
    ),
]

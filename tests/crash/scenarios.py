"""All that writes, each with what the next start does about a crash and how to tell old from new."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from config.paths import Home
from jobs import checkpoints
from jobs.consent.book import ConsentBook
from jobs.consent.withdrawals import Journal
from jobs.domain.consent_log import Chain
from jobs.domain.corpus import DocumentId
from jobs.domain.withdrawal import denied_by
from jobs.publish import (
    publish_file,
    published_directory,
    remove_directory,
    sweep_stages,
    switch_symlink,
    write_file,
)
from jobs.release_keeping import remove
from jobs.releases import BY_HAND
from jobs.withdrawal.asking import Asked
from jobs.withdrawal.stopping import begin, stop
from tests.crash.house import NOW, House, read_index


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """``repair`` is what the next start does. ``examine`` returns "old" or "new", and fails for all else.

    ``removes``: what could not be removed to its end waits, under a stage's name, for the next sweep.
    """

    name: str
    prepare: Callable[[House], None]
    work: Callable[[House], object]
    repair: Callable[[House], object]
    examine: Callable[[House], str]
    removes: bool = False


def sweep(house: House) -> None:
    sweep_stages(house.root)
    sweep_stages(house.root / "things")


def recover(house: House) -> None:
    house.releases.recover()


def content_of(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def one_of(found: object, old: object, new: object) -> str:
    assert found in (old, new), found
    return "new" if found == new else "old"


def note_written(house: House) -> str:
    assert house.left_over() == []
    return one_of(content_of(house.root / "note"), b"old content", b"new content")


def fresh_note_written(house: House) -> str:
    return one_of(content_of(house.root / "things" / "deep" / "note"), None, b"content")


def write_fresh(house: House) -> None:
    write_file(house.root / "things" / "deep" / "note", b"content")


def fill(house: House) -> None:
    with published_directory(house.root / "things" / "one") as stage:
        (stage / "inner").mkdir()
        (stage / "inner" / "part").write_bytes(b"first part")
        (stage / "part").write_text("second part", "utf-8")


def things_whole(house: House) -> str:
    assert house.left_over() == []
    one = house.root / "things" / "one"
    if not one.exists():
        return "old"
    assert (one / "inner" / "part").read_bytes() == b"first part"
    assert (one / "part").read_text("utf-8") == "second part"
    return "new"


def publish_draft(house: House) -> None:
    (house.root / "draft").write_bytes(b"a model of some length")
    publish_file(house.root / "draft", house.root / "things" / "model")


def model_whole(house: House) -> str:
    return one_of(content_of(house.root / "things" / "model"), None, b"a model of some length")


def link_to_old(house: House) -> None:
    switch_symlink(house.root / "link", "old")


def link_switched(house: House) -> str:
    assert house.left_over() == []
    return one_of(str((house.root / "link").readlink()), "old", "new")


def make_checkpoint(house: House, step: int) -> None:
    with checkpoints.publish(house.root / "things", step) as stage:
        (stage / "weights").write_bytes(b"w" * step)
        (stage / "state").write_text(str(step), "utf-8")


def make_checkpoints(house: House) -> None:
    for step in (10, 20):
        make_checkpoint(house, step)


def checkpoint_and_prune(house: House) -> None:
    make_checkpoint(house, 30)
    checkpoints.prune(house.root / "things")


def prune(house: House) -> None:
    checkpoints.prune(house.root / "things")


def checkpoints_whole(house: House) -> str:
    assert house.left_over() == []
    names = sorted(entry.name for entry in (house.root / "things").iterdir())
    for name in names:
        step = int(name.removeprefix("step-"))
        assert (house.root / "things" / name / "weights").read_bytes() == b"w" * step
        assert (house.root / "things" / name / "state").read_text("utf-8") == str(step)
    newest = checkpoints.newest(house.root / "things")
    assert newest is not None
    assert len(names) == 2
    return one_of(checkpoints.step_of(newest), 20, 30)


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
    """The repair of releases, then what the attendant does first."""
    home = Home(root=house.root / "home")
    house.releases.recover()
    for folder in (home.consent, home.consent / "withdrawals"):
        sweep_stages(folder)
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


SCENARIOS = [
    Scenario(
        name="a file is replaced",
        prepare=lambda house: write_file(house.root / "note", b"old content"),
        work=lambda house: write_file(house.root / "note", b"new content"),
        repair=sweep,
        examine=note_written,
    ),
    Scenario(
        name="a file in a new folder",
        prepare=lambda house: None,
        work=write_fresh,
        repair=lambda house: sweep_stages(house.root / "things" / "deep"),
        examine=fresh_note_written,
    ),
    Scenario(
        name="a directory is published", prepare=lambda house: None, work=fill, repair=sweep, examine=things_whole
    ),
    Scenario(
        name="a directory is removed",
        prepare=fill,
        work=lambda house: remove_directory(house.root / "things" / "one"),
        repair=sweep,
        examine=lambda house: "new" if things_whole(house) == "old" else "old",
        removes=True,
    ),
    Scenario(
        name="a model file is published",
        prepare=lambda house: None,
        work=publish_draft,
        repair=sweep,
        examine=model_whole,
    ),
    Scenario(
        name="a link is switched",
        prepare=link_to_old,
        work=lambda house: switch_symlink(house.root / "link", "new"),
        repair=sweep,
        examine=link_switched,
    ),
    Scenario(
        name="a checkpoint, and the oldest goes",
        prepare=make_checkpoints,
        work=checkpoint_and_prune,
        repair=prune,
        examine=checkpoints_whole,
        removes=True,
    ),
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

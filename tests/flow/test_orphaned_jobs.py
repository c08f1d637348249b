"""A job whose daemon, machine or thread is gone goes back to the queue, and only a restart of the machine counts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from config.paths import Home
from daemon.ledger.books import Books
from daemon.ledger.jobs import Left
from daemon.ledger.records import Owner
from daemon.recover import reclaim, recover
from daemon.runner import Crashed
from daemon.system.processes import started_at
from jobs.domain.endings import UNKNOWN_BOOT, Ending
from jobs.releases import Releases
from jobs.wire import Done
from tests.flow.scripted_worker import NOW, ScriptedWorker, executor, new_run


def recovered(books: Books, tmp_path: Path, boot: str = "this boot") -> list[int]:
    return recover(
        books, Home(root=tmp_path), Releases(tmp_path / "releases", lambda live, _: live, lambda _: True), this(boot)
    )


def this(boot: str = "this boot") -> Owner:
    return Owner(boot=boot, pid=os.getpid(), started=started_at(os.getpid()) or 0.0)


def dead(boot: str = "this boot") -> Owner:
    return Owner(boot=boot, pid=os.getpid(), started=-1.0)


def test_a_job_whose_daemon_died_goes_back_to_the_queue_without_blame(books: Books, tmp_path: Path) -> None:
    job = new_run(books)
    books.jobs.claim(job.id, dead(), NOW)
    assert recovered(books, tmp_path) == [job.id]
    found = books.jobs.job(job.id)
    assert (found.attempts, found.reboots) == (0, 0)


def test_a_restart_of_the_machine_gives_one_more_try_with_a_smaller_plan_then_quarantine(
    books: Books, tmp_path: Path
) -> None:
    job, worker = new_run(books), ScriptedWorker(Crashed("x"), Crashed("x"))
    execute = executor(books, tmp_path, worker).execute
    execute(job.id)
    assert not worker.specs[0].smaller
    books.jobs.claim(job.id, dead("an earlier boot"), NOW)
    assert recovered(books, tmp_path) == [job.id]
    execute(job.id)
    assert worker.specs[1].smaller
    books.jobs.claim(job.id, dead("another boot"), NOW)
    assert recovered(books, tmp_path) == []
    assert books.jobs.job(job.id).state == "quarantined"
    [alert] = books.alerts.unread()
    assert alert.kind == "quarantined" and f"iaipctl queue retry {job.id}" in alert.body


@pytest.mark.parametrize("stage", ["dataset", "baseline", "train", "export", "validate", "deploy"])
def test_the_alert_of_a_quarantine_claims_no_more_than_was_tried(books: Books, tmp_path: Path, stage: str) -> None:
    job = new_run(books)
    books.database.row("UPDATE job SET stage = ?, reboots = 1 WHERE id = ?", stage, job.id)
    books.jobs.claim(job.id, dead("an earlier boot"), NOW)
    recovered(books, tmp_path)
    [alert] = books.alerts.unread()
    assert ("smaller plan" in alert.body) == (stage == "train")
    assert f"`iaipctl queue cancel {job.id}`" in alert.body and "changed notes" not in alert.body


def test_the_quarantine_of_a_refresh_says_that_nothing_is_learnt_meanwhile(books: Books, tmp_path: Path) -> None:
    job = books.jobs.want_refresh(NOW)
    assert job is not None
    for boot in ("an earlier boot", "another boot"):
        books.jobs.claim(job.id, dead(boot), NOW)
        recovered(books, tmp_path)
    [alert] = books.alerts.unread()
    assert "nothing is learnt from changed notes" in alert.body and books.jobs.want_refresh(NOW) is None


def test_a_restart_after_an_orderly_stop_is_nobodys_fault(books: Books, tmp_path: Path) -> None:
    job = new_run(books)
    books.jobs.claim(job.id, dead("an earlier boot"), NOW)
    books.jobs.stop_all()
    assert recovered(books, tmp_path) == [job.id]
    assert books.jobs.job(job.id).reboots == 0


def test_a_boot_that_cannot_be_told_is_no_restart(books: Books, tmp_path: Path) -> None:
    job = new_run(books)
    books.jobs.claim(job.id, dead("a boot"), NOW)
    assert recovered(books, tmp_path, boot=UNKNOWN_BOOT) == [job.id]
    assert books.jobs.job(job.id).reboots == 0


@pytest.mark.parametrize(("wish", "state"), [("cancel", "cancelled"), ("pause", "paused")])
def test_what_a_person_asked_for_outlives_the_daemon(books: Books, tmp_path: Path, wish: str, state: str) -> None:
    job = new_run(books)
    books.jobs.claim(job.id, dead(), NOW)
    books.jobs.want_stop(job.id, wish)
    assert recovered(books, tmp_path) == []
    assert books.jobs.job(job.id).state == state


def test_a_boot_that_changes_under_a_running_daemon_takes_no_job_from_it(books: Books, tmp_path: Path) -> None:
    job = new_run(books)
    books.jobs.claim(job.id, this("the boot at the start"), NOW)
    assert reclaim(books, this("a lie"), attended=lambda: {job.id}, now=NOW) == []
    assert books.jobs.job(job.id).state == "running"


def test_a_living_process_keeps_its_job(books: Books, tmp_path: Path) -> None:
    job = new_run(books)
    parent = Owner(boot="this boot", pid=os.getppid(), started=started_at(os.getppid()) or 0.0)
    books.jobs.claim(job.id, parent, NOW)
    assert recovered(books, tmp_path) == []
    assert books.jobs.job(job.id).state == "running"


def test_a_job_whose_thread_was_lost_is_taken_back(books: Books, tmp_path: Path) -> None:
    job = new_run(books)
    books.jobs.claim(job.id, this(), NOW)
    assert reclaim(books, this(), attended=frozenset, now=NOW) == [job.id]


def test_a_result_that_comes_after_the_lease_was_lost_has_no_effect(books: Books, tmp_path: Path) -> None:
    waiting = books.jobs.want_refresh(NOW)
    assert waiting is not None
    worker = ScriptedWorker(Done(result={"new_pairs": 5, "new_expansions": 5}))

    def lose() -> None:
        zombie = books.jobs.job(waiting.id)
        books.jobs.settle(zombie, Left(ending=Ending.ORPHANED, reason="r"), NOW)
        books.jobs.claim(waiting.id, this(), NOW)

    worker.during = lose
    executor(books, tmp_path, worker).execute(waiting.id)
    assert books.knowledge.fact("new-rows:embedding") is None
    assert books.jobs.job(waiting.id).state == "running"

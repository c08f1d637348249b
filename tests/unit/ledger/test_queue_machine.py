"""The queue under claims, zombies, crashes, restarts, retries and a clock that jumps, over the real ledger."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from daemon.ledger.books import open_books
from daemon.ledger.jobs import Left
from daemon.ledger.records import Job, Owner
from jobs.domain.artifacts import Progress
from jobs.domain.endings import MOST_REBOOTS, Ending
from jobs.domain.examples import Target
from jobs.domain.states import JobState, may_move
from jobs.wire import following

# A wall clock may be anywhere at any moment: nothing may depend on it.
moments = st.integers(-10_000, 10_000).map(lambda hours: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours))
PROGRESS = Progress(step=1, steps=2, loss=0.5, rate=1.0, unit="pairs", eta=1.0)


class Queue(RuleBasedStateMachine):
    """Every claim ever made stays in ``claims``: each may come back as a zombie."""

    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.owner = 0
        self.leases: dict[int, int] = {}
        self.states: dict[int, str] = {}
        self.done: dict[int, dict[str, int]] = {}

    @initialize()
    def begin(self) -> None:
        self.open()
        for target in get_args(Target):
            self.books.jobs.start_run(target, cause="c", forced=False, now=datetime(2026, 1, 1, tzinfo=UTC))
        self.books.jobs.want_refresh(datetime(2026, 1, 1, tzinfo=UTC))

    def open(self) -> None:
        self.books = open_books(self.folder / "ledger.sqlite")
        self.books.database.row("PRAGMA synchronous=OFF")  # the disk is not what is tested here

    def teardown(self) -> None:
        self.books.database.close()
        shutil.rmtree(self.folder)

    @rule(wanted=st.sampled_from(get_args(Target)), now=moments)
    def start_a_run(self, wanted: Target, now: datetime) -> None:
        active = self.books.database.row("SELECT 1 FROM run WHERE state = 'active' AND target = ?", wanted)
        started = self.books.jobs.start_run(wanted, cause="c", forced=False, now=now)
        assert (started is None) == (active is not None)

    @rule(now=moments)
    def want_a_refresh(self, now: datetime) -> None:
        self.books.jobs.want_refresh(now)

    @rule(target=claims, which=st.integers(0, 5), now=moments)
    def claim(self, which: int, now: datetime) -> Iterable[Job]:
        """Any job may be rung for at any time: only one that waits can be had."""
        everything = self.books.jobs.in_state(*JobState)
        if not everything:
            return multiple()
        job = everything[which % len(everything)]
        self.owner += 1
        mine = self.books.jobs.claim(job.id, Owner(boot="b", pid=self.owner, started=1.0), now)
        assert (mine is not None) == (job.state == "queued"), "what waits can be had, whatever the clock says"
        if mine is None:
            return multiple()
        assert self.books.jobs.claim(job.id, Owner(boot="b", pid=-1, started=1.0), now) is None
        assert mine.lease > self.leases.get(job.id, 0)
        self.leases[job.id] = mine.lease
        return multiple(mine)

    @rule(target=claims, claim=claims, now=moments)
    def die_and_be_followed(self, claim: Job, now: datetime) -> Iterable[Job]:
        """The owner is taken for dead and an heir runs the job; the dead one comes back as a zombie."""
        orphaned = self.books.jobs.settle(claim, Left(ending=Ending.ORPHANED, reason="r"), now)
        if orphaned is None or orphaned.state != "queued":
            return multiple()
        heir = self.books.jobs.claim(claim.id, Owner(boot="b", pid=-2, started=1.0), now)
        assert heir is not None
        self.leases[claim.id] = heir.lease
        self.zombie_changes_nothing(claim, now)
        return multiple(heir)

    def zombie_changes_nothing(self, zombie: Job, now: datetime) -> None:
        before = self.books.jobs.job(zombie.id)
        for ending in Ending:
            assert self.books.jobs.settle(zombie, Left(ending=ending, reason="r"), now) is None
        assert not self.books.jobs.finish(zombie, {"by": zombie.lease}, None, now)
        assert not self.books.jobs.note(zombie, phase="p", progress=PROGRESS, now=now)
        assert self.books.jobs.job(zombie.id) == before

    @rule(claim=claims, ending=st.sampled_from(Ending), now=moments)
    def leave(self, claim: Job, ending: Ending, now: datetime) -> None:
        before, holds = self.books.jobs.job(claim.id), self.holds(claim)
        settled = self.books.jobs.settle(claim, Left(ending=ending, reason="r"), now)
        assert (settled is not None) == holds
        if settled is None:
            assert self.books.jobs.job(claim.id) == before, "a zombie changes nothing"
        else:
            assert settled.owner is None

    @rule(claim=claims, now=moments)
    def finish(self, claim: Job, now: datetime) -> None:
        before, holds = self.books.jobs.in_state(*JobState), self.holds(claim)
        after = following(claim.stage) if claim.run else None
        assert self.books.jobs.finish(claim, {"by": claim.lease}, after, now) == holds
        if holds:
            self.done[claim.id] = {"by": claim.lease}
            assert self.books.jobs.claim(claim.id, Owner(boot="b", pid=-3, started=1.0), now) is None
        else:
            assert self.books.jobs.in_state(*JobState) == before

    @rule(claim=claims, now=moments)
    def report(self, claim: Job, now: datetime) -> None:
        assert self.books.jobs.note(claim, phase="p", progress=PROGRESS, now=now) == self.holds(claim)

    @rule(claim=claims, wish=st.sampled_from(["cancel", "pause"]))
    def ask_to_stop(self, claim: Job, wish: str) -> None:
        self.books.jobs.want_stop(claim.id, wish)

    @rule()
    def stop_in_order(self) -> None:
        self.books.jobs.stop_all()

    @rule(claim=claims, now=moments)
    def retry(self, claim: Job, now: datetime) -> None:
        if claim.run is not None and not self.books.jobs.revive_run(claim.run):
            return
        self.books.jobs.move_waiting(claim.id, ("failed", "cancelled", "quarantined", "paused"), "queued", now)

    @rule()
    def kill_the_daemon_and_start_again(self) -> None:
        self.books.database.close()
        self.open()

    def holds(self, claim: Job) -> bool:
        found = self.books.jobs.job(claim.id)
        return found.state == "running" and found.lease == claim.lease

    @invariant()
    def no_job_is_lost_and_every_move_is_allowed(self) -> None:
        now = {job.id: job.state for job in self.books.jobs.in_state(*JobState)}
        assert self.states.keys() <= now.keys()
        for number, before in self.states.items():
            assert before == now[number] or may_move(JobState(before), JobState(now[number]))
        self.states = now

    @invariant()
    def a_job_has_an_owner_exactly_while_it_runs(self) -> None:
        for job in self.books.jobs.in_state(*JobState):
            assert (job.owner is not None) == (job.state == "running")
            assert job.lease == self.leases.get(job.id, 0), "one lease after another, never two"

    @invariant()
    def done_is_for_ever_and_done_once(self) -> None:
        for number, result in self.done.items():
            found = self.books.jobs.job(number)
            assert (found.state, found.result) == ("done", result)

    @invariant()
    def the_counts_of_faults_hold(self) -> None:
        for job in self.books.jobs.in_state(*JobState):
            assert job.attempts >= 0 and job.reboots >= 0
            assert job.state != "quarantined" or job.reboots >= MOST_REBOOTS

    @invariant()
    def the_triggers_count_what_is_there(self) -> None:
        rows = self.books.database.rows("SELECT state, count(*) AS n FROM job GROUP BY state")
        assert self.books.jobs.counts() == {row["state"]: row["n"] for row in rows}


TestQueue = Queue.TestCase
TestQueue.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)

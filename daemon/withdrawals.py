"""Carries a withdrawal to its end: step after step, each noted when it is done, gone on with after any crash.

Done by the daemon's attendant, and by `iaipctl withdraw` where no daemon runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from config.paths import Home
from config.version import VERSION
from daemon.ledger import snapshots
from daemon.ledger.books import Books
from daemon.ledger.records import Job
from daemon.ledger.tombstones import entomb, words_of
from daemon.ledger.upkeep import run_facts
from jobs.consent.book import ConsentBook
from jobs.consent.withdrawals import Journal
from jobs.domain.errors import BadInput, Refused
from jobs.domain.examples import Target
from jobs.domain.withdrawal import Step, Withdrawal
from jobs.publish import remove_directory
from jobs.wire import LIGHT_STAGES
from jobs.withdrawal import clearing
from jobs.withdrawal.clearing import Grounds
from jobs.withdrawal.evaluation import clear_evaluation
from jobs.withdrawal.receipts import Signer, receipt_of, store
from jobs.withdrawal.stopping import seal, stop
from jobs.withdrawal.traces import MOST, blot_out, digest_of, distinctive, search

_WAITING = ("queued", "paused", "quarantined")
_TRAINED: tuple[Target, ...] = ("embedding", "expansion")


class Waits(Refused):
    """Something is still at work that has to end first; the withdrawal goes on by itself."""


@dataclass(frozen=True, kw_only=True)
class Means:
    """What withdrawals are carried out with."""

    books: Books
    grounds: Callable[[], Grounds]
    """Read anew each time: collections change."""
    signer: Signer
    ring: Callable[[int], None]


class Withdrawer:
    def __init__(self, means: Means, home: Home) -> None:
        self._means = means
        self._books = means.books
        self._home = home
        self._journal = Journal(home.consent)
        self._steps: Mapping[Step, Callable[[Withdrawal, Grounds], Withdrawal]] = {
            "stopped": self._stopped,
            "found": self._found,
            "jobs": self._jobs,
            "examples": self._examples,
            "datasets": self._datasets,
            "stages": self._stages,
            "releases": self._releases,
            "indexes": self._indexes,
            "evaluation": self._evaluation,
            "ledger": self._ledger,
            "logs": self._logs,
            "keys": self._keys,
            "retrained": self._retrained,
            "verified": self._verified,
            "told": self._told,
        }
        self._strings: dict[str, dict[str, tuple[str, ...]]] = {}
        self._before: dict[str, set[tuple[int, int]]] = {}

    def finish(self, one: Withdrawal) -> Withdrawal:
        """Does every step that is left. Raises what keeps it from the next one; it may be called again at any time."""
        one = seal(one, self._home, _now())
        while (step := one.next_step()) is not None:
            if step not in ("stopped", "found", "jobs"):
                self._require_rest()
            grounds = self._means.grounds()
            if step not in ("stopped", "found") and one.id not in self._strings:
                self._strings[one.id] = distinctive(clearing.texts_of(one, grounds, MOST))
            one = self._steps[step](one, grounds)
            self._journal.write(one)
        self._strings.pop(one.id, None)
        self._before.pop(one.id, None)
        return one

    def stop_what_was_asked(self) -> None:
        """At start, before anything runs: releases stop whose withdrawal a crash cut off."""
        for one in self._journal.open():
            if "stopped" not in one.done:
                stop(one, self._home, self._means.grounds().releases, _now())

    def _stopped(self, one: Withdrawal, grounds: Grounds) -> Withdrawal:
        return stop(one, self._home, grounds.releases, _now())

    def _found(self, one: Withdrawal, grounds: Grounds) -> Withdrawal:
        documents, contents = clearing.found(one, grounds, _now())
        return one.after("found", documents=documents, contents=contents)

    def _jobs(self, one: Withdrawal, grounds: Grounds) -> Withdrawal:
        """Runs on the material end, to begin anew without it; whatever else was at work begins its job again."""
        jobs, runs = self._books.jobs, self._runs(one)
        ending = {run.target for run in run_facts(self._books.database) if run.state == "active" and run.id in runs}
        self._journal.write(one := msgspec.structs.replace(one, targets=tuple(sorted({*one.targets, *ending}))))
        before = self._before.setdefault(one.id, {(job.id, job.lease) for job in jobs.in_state("running")})
        for job in jobs.in_state("running"):
            if job.stop_wanted != "cancel" and (job.run in runs or (job.id, job.lease) in before):
                jobs.want_stop(job.id, "cancel" if job.run in runs else "stop")
        cancelled = 0
        with self._books.database.transaction():
            for job in jobs.in_state(*_WAITING):
                if job.run is not None and job.run in runs:
                    cancelled += jobs.move_waiting(job.id, _WAITING, "cancelled", _now())
                    jobs.end_run(job.run, "cancelled", None, "what it was made from was withdrawn", _now())
        if any((job.id, job.lease) in before for job in jobs.in_state("running")):
            raise Waits("a job is still leaving", remedy="nothing to do: the withdrawal goes on by itself")
        return one.after("jobs", counts={"jobs": cancelled + one.counts.get("jobs", 0)})

    def _examples(self, one: Withdrawal, grounds: Grounds) -> Withdrawal:
        return one.after("examples", counts={"examples": clearing.clear_examples(one, grounds)})

    def _datasets(self, one: Withdrawal, grounds: Grounds) -> Withdrawal:
        names = clearing.touched_datasets(one, self._home)
        clearing.clear_known_documents(one, grounds)
        return one.after("datasets", counts={"datasets": clearing.clear_datasets(names, self._home)})

    def _stages(self, one: Withdrawal, grounds: Grounds) -> Withdrawal:
        stages = clearing.stages_of(self._runs(one), self._home)
        models = tuple(sorted({*one.models, *clearing.models_of(stages)}))
        self._journal.write(one := msgspec.structs.replace(one, models=models))
        return one.after("stages", counts={"stages": clearing.clear_stages(stages)})

    def _releases(self, one: Withdrawal, grounds: Grounds) -> Withdrawal:
        """No job is left that could publish one: what a deployment brought since the others stopped, stops now."""
        one = stop(one, self._home, grounds.releases, _now())
        tombstones, models = clearing.clear_releases(one, grounds.releases)
        return one.after("releases", counts={"tombstones": tombstones, "models": models})

    def _indexes(self, one: Withdrawal, grounds: Grounds) -> Withdrawal:
        return one.after("indexes", counts=clearing.clear_indexes(one, grounds))

    def _evaluation(self, one: Withdrawal, grounds: Grounds) -> Withdrawal:
        known = self._books.knowledge.documents()
        return one.after("evaluation", counts={"judgements": clear_evaluation(one, self._home.evaluation, known)})

    def _ledger(self, one: Withdrawal, grounds: Grounds) -> Withdrawal:
        """And its copies: a fresh one first, so that there is always one."""
        words = words_of(self._books.database, one.documents)
        clearing.clear_answers(words, self._home)
        changed = entomb(self._books.database, words, one.documents)
        fresh = snapshots.take(self._books.database.path, self._home.snapshots, at=datetime.now(UTC))
        old = [copy.path for copy in snapshots.listed(self._home.snapshots) if copy.number != fresh.number]
        damaged = sorted(self._home.damaged.iterdir()) if self._home.damaged.is_dir() else []
        unreadable = sorted(self._home.requests.glob("*.unreadable"))
        for path in (*old, *unreadable):
            path.unlink(missing_ok=True)
        for folder in damaged:
            remove_directory(folder)
        return one.after("ledger", counts={"ledger": changed, "snapshots": len(old) + len(damaged)})

    def _logs(self, one: Withdrawal, grounds: Grounds) -> Withdrawal:
        runs = self._runs(one)
        jobs = [job.id for run in runs for job in self._books.jobs.of_run(run)]
        logs = [path for job in jobs if (path := self._home.logs / "jobs" / f"{job}.log").exists()]
        for path in logs:
            path.unlink()
        blotted = blot_out(self._home.logs, {*map(str, one.documents), *self._all_strings(one)})
        return one.after("logs", counts={"logs": len(logs) + blotted})

    def _keys(self, one: Withdrawal, grounds: Grounds) -> Withdrawal:
        destroyed = sum(grounds.keys.destroy(consent) for consent in sorted(one.consents))
        return one.after("keys", counts={"keys": destroyed})

    def _retrained(self, one: Withdrawal, grounds: Grounds) -> Withdrawal:
        """A target that has a run under way already learns without the material in that one."""
        runs = list(one.runs)
        for target in _TRAINED:
            if target in one.targets:
                started = self._books.jobs.start_run(target, cause="withdrawal", forced=False, now=_now())
                if started is not None:
                    runs.append(started[0].id)
                    self._means.ring(started[1].id)
        return one.after("retrained", runs=tuple(runs))

    def _verified(self, one: Withdrawal, grounds: Grounds) -> Withdrawal:
        strings = self._all_strings(one)
        looked = search(self._home.root, strings)
        again = {text for texts in looked.found.values() for text in texts}
        again -= self._said_elsewhere(again, one, grounds)
        by_content = [place for place, texts in sorted(looked.found.items()) if texts & again]
        by_lineage = clearing.left_by_lineage(one, grounds)
        return one.after(
            "verified",
            strings=(len(strings), len(self._strings[one.id])),
            strings_digest=digest_of(strings),
            searched=(looked.files, looked.bytes),
            lineage_left=tuple(by_lineage),
            found_again=tuple(dict.fromkeys((*by_lineage, *by_content))),
        )

    def _told(self, one: Withdrawal, grounds: Grounds) -> Withdrawal:
        chain = ConsentBook(self._home.consent).chain()
        sealed_in = "" if chain.problem else chain.head
        receipt = receipt_of(one, program=VERSION, finished_at=_now(), log_entry=sealed_in)
        store(self._journal.receipts, receipt, self._means.signer)
        number = len(one.releases)
        stopped = f"{number} release{'' if number == 1 else 's'} stopped for good; {one.live} is live."
        absent = "Nothing of it was found again." if not one.found_again else "SOME OF IT WAS FOUND AGAIN."
        body = f"{stopped} {absent} The receipt is consent/receipts/{one.id}.txt in the home."
        self._books.alerts.post("withdrawal", "Material was withdrawn", body, _now(), about=one.id)
        return one.after("told")

    def _runs(self, one: Withdrawal) -> set[int]:
        """The runs whose dataset holds some of the material, or is gone: then nobody can tell that it did not."""
        there = {path.name for path in self._home.datasets.iterdir()} if self._home.datasets.is_dir() else set()
        touched = clearing.touched_datasets(one, self._home)
        return {
            run.id
            for run in run_facts(self._books.database)
            if run.dataset is not None and (run.dataset in touched or run.dataset not in there)
        }

    def _require_rest(self) -> None:
        """No heavy job may write what is being cleared. (Examples are made under the newest consent.)"""
        heavy = [job for job in self._books.jobs.in_state("running") if _is_heavy(job)]
        for job in heavy:
            if job.stop_wanted is None:
                self._books.jobs.want_stop(job.id, "stop")
        if heavy:
            raise Waits(f"job {heavy[0].id} is still leaving", remedy="nothing to do: the withdrawal goes on by itself")

    def _all_strings(self, one: Withdrawal) -> set[str]:
        return {text for texts in self._strings[one.id].values() for text in texts}

    def _said_elsewhere(self, strings: set[str], one: Withdrawal, grounds: Grounds) -> set[str]:
        """Those of the strings that other notes say as well: finding them tells nothing."""
        others: set[str] = set()
        for document in self._books.knowledge.documents() if strings else ():
            if document not in one.documents:
                try:
                    text = grounds.corpus.read(document).text
                except BadInput:
                    continue
                others.update(string for string in strings if string in text)
        return others


def _is_heavy(job: Job) -> bool:
    return job.stage not in LIGHT_STAGES


def _now() -> datetime:
    return datetime.now(UTC)

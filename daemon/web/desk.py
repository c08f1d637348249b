"""What each page needs, fetched; and what they can change. Rows and consent have desks of their own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from daemon.watching import LastScan
from daemon.web import judging, lineage, pacing, reading
from daemon.web.curves import Curve, Measured, Whiskers, course, curve, whiskers
from daemon.web.house import House
from daemon.web.judging import Question
from daemon.web.scores import scores
from daemon.web.wellness import sentences, troubles
from jobs.dataset.learnt import Inquiry, roll_back
from jobs.domain.artifacts import Progress
from jobs.domain.errors import BadInput
from jobs.releases import Release

RECENT = 8
PAGE = 50
MOST_ALERTS = 100
MOST_SPANS = 60
ROWS_OF_A_CURVE = 24
MOST_NOTES = 12
FEWEST_LETTERS = 2


class Desk:
    """Every method returns the values of one template."""

    def __init__(self, house: House) -> None:
        self._books = house.books
        self._home = house.home
        self._releases = house.releases
        self._held_out = reading.held_out_in(house.home.datasets, house.lines)
        self._inquiry = Inquiry(home=house.home, settings=lambda: house.settings, corpus=house.corpus)

    def home(self) -> dict[str, Any]:
        books = self._books
        everything = self._releases.all()
        live = self._live(everything)
        running = books.jobs.in_state("running")
        unread = books.alerts.unread()
        heavy = next((job for job in running if job.stage != "dataset"), running[0] if running else None)
        return {
            "sentences": sentences(live, reading.measure(books, live), unread, heavy),
            "live": live,
            "running": heavy,
            "waiting": books.jobs.in_state("queued", "paused", "quarantined"),
            "recent": books.history.jobs(RECENT),
            "counts": books.jobs.counts(),
            "pace": books.pace.latest(),
            "scan": books.knowledge.value("last-scan", LastScan),
            "wanting": troubles(unread),
            "unread": unread,
            "gains": gains(everything),
            "judged": books.history.judged_run(),
        }

    def jobs(self, before: int | None) -> dict[str, Any]:
        found = self._books.history.jobs(PAGE + 1, before=before)
        older = found[PAGE - 1].id if len(found) > PAGE else None
        return {"jobs": found[:PAGE], "older": older, "counts": self._books.jobs.counts()}

    def runs(self) -> dict[str, Any]:
        return {"runs": self._books.history.runs(PAGE)}

    def run(self, number: int) -> dict[str, Any]:
        view = reading.run_view(self._books, number, self._held_out)
        released = next((one for one in self._releases.all() if one.metadata.run == number), None)
        return {"view": view, "released": released, "fewest": RECENT, **self._curves(view.training), "jobs": view.jobs}

    def run_live(self, number: int) -> dict[str, Any]:
        """What of a run moves while it is under way, and whether it still is."""
        run, jobs = self._books.jobs.run(number), self._books.jobs.of_run(number)
        return {"run": run, "jobs": jobs, **self._curves(reading.training(self._books, jobs))}

    def releases(self) -> dict[str, Any]:
        everything = self._releases.all()
        return {
            "releases": everything[::-1],
            "gains": gains(everything),
            "scored": course(scores(self._books, everything), width=760, height=240),
            "live": self._live(everything),
        }

    def release(self, name: str) -> dict[str, Any]:
        if name not in self._releases.names():
            raise KeyError(name)
        release = self._releases.release(name)
        return {
            "release": release,
            "live": self._releases.live(),
            "ancestors": lineage.ancestors(release, self._releases),
            "fewest": MOST_NOTES,
        }

    def roll_back(self, name: str, now: datetime) -> None:
        """Raises Refused for a release that may not go live, KeyError for one that is not there."""
        if name not in self._releases.names():
            raise KeyError(name)
        live = self._releases.live()
        now_live = roll_back(self._releases, name, self._inquiry)
        if now_live != live:
            self._books.alerts.post("switched", f"{now_live} is live", f"{live} was left by hand", now, about=now_live)

    def lineage(self, note: str) -> dict[str, Any]:
        found = lineage.learned(note, self._releases) if len(note) >= FEWEST_LETTERS else ()
        return {"note": note, "found": found[:PAGE], "more": max(0, len(found) - PAGE), "fewest": FEWEST_LETTERS}

    def pace(self, now: datetime) -> dict[str, Any]:
        """Drawn to the minute to come, so that a page that follows along is not redrawn every second."""
        now = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
        start = now - pacing.SHOWN
        records = self._books.pace.between(start, now)
        found = pacing.spans(records, start, now)
        return {
            "pace": self._books.pace.latest(),
            "spans": found[::-1][:MOST_SPANS],
            "more": max(0, len(found) - MOST_SPANS),
            "timeline": pacing.timeline(found, now),
            "load": pacing.history(records, now, lambda one: one.readings.load),
            "swap": pacing.history(records, now, lambda one: _megabytes(one.readings.swap_growth)),
            "records": pacing.thinned(records),
        }

    def alerts(self) -> dict[str, Any]:
        return {"alerts": self._books.history.alerts(MOST_ALERTS)}

    def acknowledge(self, alert: int, now: datetime) -> None:
        self._books.alerts.acknowledge(alert, now)

    def questions(self) -> dict[str, Any]:
        return {"questions": [(question_address(one), one) for one in self._questions()]}

    def question(self, query_set: str, query: str) -> dict[str, Any]:
        return {"question": self._question(query_set, query)}

    def judge(self, query_set: str, query: str, form: Mapping[str, str]) -> str:
        """Stores a form's grades (``grade-N`` of the Nth document); returns where to go on: the next open query."""
        question = self._question(query_set, query)
        grades = {
            document: _grade(form[f"grade-{number}"])
            for number, document in enumerate(question.documents)
            if form.get(f"grade-{number}")
        }
        judging.store(self._home.evaluation, question, grades)
        open_ones = [one for one in self._questions() if not one.judged and one.query != query]
        return question_address(open_ones[0]) if open_ones else "/judge"

    def _questions(self) -> tuple[Question, ...]:
        return judging.questions(self._books, self._home.evaluation, self._held_out)

    def _question(self, query_set: str, query: str) -> Question:
        found = (one for one in self._questions() if (one.query_set, one.query) == (query_set, query))
        if (question := next(found, None)) is None:
            raise KeyError(query)
        return question

    def _live(self, everything: list[Release]) -> Release | None:
        name = self._releases.live()
        return next((one for one in everything if one.metadata.name == name), None)

    @staticmethod
    def _curves(training: list[Progress]) -> dict[str, Curve | list[Progress] | None]:
        size = {"width": 380, "height": 200}
        return {
            "training": training,
            "told": training[:: max(1, len(training) // ROWS_OF_A_CURVE)],
            "loss": curve([(float(one.step), one.loss) for one in training], **size),
            "rate": curve([(float(one.step), one.rate) for one in training], **size),
        }


def gains(releases: list[Release]) -> Whiskers | None:
    """Each release's measured gain over the one that it replaced, oldest first."""
    measured = [
        Measured(
            name=one.metadata.name,
            kind=one.metadata.target or "",
            value=gain.delta,
            low=gain.low,
            high=gain.high,
        )
        for one in releases
        if (gain := one.metadata.gain) is not None
    ]
    return whiskers(measured, width=760, height=240)


def question_address(question: Question) -> str:
    return "/judge/query?" + urlencode({"set": question.query_set, "query": question.query})


def _megabytes(value: object) -> float | None:
    return value / 2**20 if isinstance(value, int) else None


def _grade(text: str) -> int:
    if text not in {str(grade) for grade in judging.GRADES}:
        raise BadInput("a grade is 0, 1 or 2", remedy="open the query again")
    return int(text)

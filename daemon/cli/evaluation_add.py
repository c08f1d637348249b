"""iaipctl evaluation add [QUERY…]: judges queries by single keys, and keeps every answer at once.

What is asked first is what could move the newest verdict most; then your own new queries. Both files of
``evaluation/<set>/`` are BEIR's, and are what the gate reads. Ctrl-C keeps what was said so far.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack

import msgspec

from daemon.cli.judging_screen import END, SKIP, lettered, next_grade, screen
from daemon.cli.result import DONE, INTERRUPTED, USAGE, Result
from daemon.cli.root import Context
from daemon.cli.terminal import CLOSED, ENTER, Keyboard, folded, fresh_screen, visible, width_of
from daemon.web import judging
from daemon.web.judging import Found, Question
from jobs.domain.corpus import DocumentId
from jobs.domain.errors import BadInput, IaipError
from jobs.domain.wording import counted

SCHEMA = "iaip.evaluation-add/1"
_NAME = re.compile(r"\w[\w.-]{0,63}")
_READ_LINES = 40


def run(options: argparse.Namespace, context: Context) -> Result:
    if options.json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        where = context.home.evaluation / options.set
        talk = (
            "judging needs a terminal, for both the keys and the screen, and no --json\n"
            f"  next: in a terminal, `iaipctl evaluation add`; in a script, write {where}/queries.jsonl and qrels.tsv"
        )
        return Result(schema=SCHEMA, data={}, text="", talk=talk, code=USAGE)
    if not _NAME.fullmatch(options.set):
        raise BadInput(
            f"“{visible(options.set)}” cannot name a set", remedy="letters, digits, dots and dashes, at most 64 of them"
        )
    with ExitStack() as opened:
        table = _Table(context, options.set, opened)
        try:
            table.sit(options.query)
            code = DONE
        except KeyboardInterrupt:
            table.keep_what_was_marked()
            code = INTERRUPTED
    return _told(table.kept, options.set, context, code)


class _Table:
    """Where the judging is done: the queries, the keys, and the search, which is only started when it is needed."""

    def __init__(self, context: Context, folder: str, opened: ExitStack) -> None:
        self._context = context
        self._folder = folder
        self._opened = opened
        self._keyboard = Keyboard()
        self._find: Callable[[str], tuple[Found, ...]] | None = None
        self._question: Question | None = None
        self._marks: dict[str, int] = {}
        self._typed: dict[str, int] = {}
        """Of the marks, those that were typed for the query on the screen."""
        self.kept: set[tuple[str, str]] = set()
        """The folder and id of every query that was judged here."""

    def sit(self, queries: list[str]) -> None:
        """Until all is judged, or the person ends it."""
        if queries:
            self._judge_all((self._own(text) for text in queries), len(queries))
            return
        asked = judging.questions(
            self._context.books, self._context.home.evaluation, self._context.held_out, self._folder
        )
        waiting = [question for question in asked if not question.judged]
        if self._judge_all(waiting, len(waiting)):
            self._judge_own_ones()

    def _judge_all(self, questions: Iterable[Question], total: int) -> bool:
        """False if the person ended it."""
        return all(self._judge(question, f"{number} of {total}") for number, question in enumerate(questions, start=1))

    def _judge_own_ones(self) -> None:
        while text := self._keyboard.line("Your own query (empty: end): ").strip():
            if not self._judge(self._own(text), "your own query"):
                return

    def _own(self, text: str) -> Question:
        if self._find is None:
            print("starting your live search …", flush=True)
            self._find = self._opened.enter_context(self._context.live_search())
        sides = self._find(" ".join(text.split()))
        return judging.own_question(text, sides, self._folder, self._context.home.evaluation)

    def _judge(self, question: Question, heading: str) -> bool:
        """False if the person ended it. A query that found nothing is said and passed over."""
        if not question.documents:
            print(f"nothing was found for “{visible(question.text)}”")
            return True
        known = ((document, question.proposed(document)) for document in question.documents)
        self._question = question
        self._marks, self._typed = {document: grade for document, grade in known if grade is not None}, {}
        problem = ""
        while True:
            self._draw(heading, problem)
            key = self._keyboard.key()
            if key in (END, CLOSED):
                return False
            if key == SKIP:
                return True
            problem = self._keep() if key == ENTER else self._marked_or_read(key, question)
            if key == ENTER and not problem:
                return True

    def _draw(self, heading: str, problem: str) -> None:
        assert self._question is not None
        width = width_of(sys.stdout) or 80
        told = screen(self._question, self._marks, f"{heading}, kept in evaluation/{self._question.folder}", width)
        print(fresh_screen() + told, *folded(problem, width), sep="\n", flush=True)

    def _marked_or_read(self, key: str, question: Question) -> str:
        documents = lettered(question)
        if key in documents:
            self._marks[documents[key]] = self._typed[documents[key]] = next_grade(self._marks.get(documents[key]))
        elif key.lower() in documents:
            self._read(documents[key.lower()])
        return ""

    def _read(self, name: str) -> None:
        """The note's beginning, as much as a screen holds, until any key."""
        collection, _, path = name.partition("/")
        try:
            text = self._context.corpus.read(DocumentId(collection=collection, path=path)).text
        except IaipError as error:
            text = error.message
        width = width_of(sys.stdout) or 80
        lines = [line for one in text.splitlines() for line in folded(visible(one), width)][:_READ_LINES]
        print(fresh_screen() + "\n".join([*lines, "", *folded("any key: back", width)]), flush=True)
        self._keyboard.key()

    def _keep(self) -> str:
        """Stores all the documents shown, those without a mark as no answer; says what is wrong, or nothing."""
        assert self._question is not None
        shown = lettered(self._question).values()
        return self._store({document: self._marks.get(document, 0) for document in shown})

    def keep_what_was_marked(self) -> None:
        """After Ctrl-C: what was typed for the query on the screen, if it names an answer; the query stays open."""
        if self._question is not None and any(self._typed.values()):
            self._store(self._typed)

    def _store(self, grades: dict[str, int]) -> str:
        assert self._question is not None
        try:
            judging.store(self._context.home.evaluation, self._question, grades)
        except BadInput as error:
            return f"{error.message}: {error.remedy}"
        self.kept.add((self._question.folder, self._question.query))
        self._question = None
        return ""


def _told(kept: set[tuple[str, str]], folder: str, context: Context, code: int) -> Result:
    count = len(judging.asked(context.home.evaluation / folder))
    needed = context.settings.gate.fewest_queries
    more = f"{needed - count} more and they decide" if count < needed else "they decide from the next run on"
    words = f"{len(kept)} judged now; evaluation/{folder} holds {counted(count, 'query', 'queries')}: {more}"
    data = {"judged": sorted(query for _, query in kept), "set": folder, "queries": count}
    return Result(schema=SCHEMA, data=msgspec.to_builtins(data), text=words, code=code)

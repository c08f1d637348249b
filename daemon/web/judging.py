"""The owner's judgements: which queries would tell most, and how an answer reaches ``evaluation/<set>/``.

Written are BEIR's two files, as the gate reads them. What the owner wrote there stays, line by line;
only lines on the very documents that are judged again are replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from daemon.ledger.books import Books
from daemon.web.reading import TOP, HeldOut, judged_sets
from jobs.domain.corpus import digest
from jobs.domain.errors import BadInput
from jobs.domain.examples import OWN_SET, JudgedQuery, QuerySet
from jobs.domain.gates import Answer, ArmName, Row, ScoredSet
from jobs.domain.informative import most_informative
from jobs.locks import locked
from jobs.publish import write_file

MOST = 20
HEADER = "query-id\tcorpus-id\tscore"
GRADES = (0, 1, 2)


class Found(Struct, frozen=True, kw_only=True):
    """What one way of searching found first. ``by``: an arm, or the words for a way."""

    by: str
    documents: tuple[str, ...]


class Question(Struct, frozen=True, kw_only=True):
    """A query to judge: the documents that either side found first, and the grades known so far."""

    query_set: str
    query: str
    text: str
    folder: str
    sides: tuple[Found, ...]
    documents: tuple[str, ...]
    grades: dict[str, int]
    """What the owner's files say of the documents."""
    relevant: dict[str, int]
    """What the gate went by."""

    @property
    def judged(self) -> bool:
        return all(document in self.grades for document in self.documents)

    def proposed(self, document: str) -> int | None:
        """The grade to start from: the owner's, else the gate's; none where nobody has looked yet."""
        return self.grades.get(document, self.relevant.get(document))


def questions(books: Books, evaluation: Path, held_out: HeldOut, own_set: str = OWN_SET) -> tuple[Question, ...]:
    """Of the newest verdict: the queries whose judgement could move it most, first the strongest.

    ``own_set``: where those are kept that came from no folder of the owner's.
    """
    run = books.history.judged_run()
    found = None if run is None else judged_sets(books, run.id, held_out)
    if run is None or found is None:
        return ()
    baseline, verdict = found
    scored = _scored(books, run.id, baseline.sets)
    by_id = {query.id: (one, query) for one in reversed(baseline.sets) for query in one.queries}
    rows = [
        Row(set_name=one.name, curated=one.kind == "curated", query=query, metrics={})
        for one in baseline.sets
        for query in one.queries
    ]
    chosen = most_informative(rows, scored, verdict.reference, most=MOST)

    def question(name: str) -> Question:
        query_set, query = by_id[name]
        folder = query_set.name if (evaluation / query_set.name).is_dir() else own_set
        return _question(query_set, query, _sides(scored, query_set.name, name, verdict.reference), evaluation / folder)

    return tuple(question(name) for name in dict.fromkeys(chosen))


def own_question(text: str, sides: Sequence[Found], folder: str, evaluation: Path) -> Question:
    """A new query of the owner's, with what the live search finds for it. The same words are the same query."""
    words = " ".join(text.split())
    query = digest("own", words)
    documents = _by_turns(sides, ())
    return Question(
        query_set=folder,
        query=query,
        text=words,
        folder=folder,
        sides=tuple(sides),
        documents=documents,
        grades=known_grades(evaluation / folder, query, documents),
        relevant={},
    )


def _scored(books: Books, run: int, sets: Sequence[QuerySet]) -> list[ScoredSet]:
    answers: dict[str, dict[ArmName, list[Answer]]] = {}
    for stored in books.results.answers(run):
        arm = msgspec.convert(stored.arm, ArmName)
        answer = Answer(query=stored.query, documents=stored.documents, milliseconds=stored.milliseconds)
        answers.setdefault(stored.query_set, {}).setdefault(arm, []).append(answer)
    return [
        ScoredSet(
            query_set=one,
            scores={},
            answers={arm: tuple(found) for arm, found in answers.get(one.name, {}).items()},
        )
        for one in sets
    ]


def _sides(scored: Sequence[ScoredSet], query_set: str, query: str, reference: ArmName) -> tuple[Found, ...]:
    """The first documents of both arms."""
    return tuple(
        Found(by=arm, documents=answer.documents[:TOP])
        for one in scored
        if one.query_set.name == query_set
        for arm in (reference, "candidate")
        for answer in one.answers.get(arm, ())
        if answer.query == query
    )


def _by_turns(sides: Sequence[Found], first: Iterable[str]) -> tuple[str, ...]:
    """``first``, then the documents of all sides by turns, each once; none that a line could not hold."""
    found = [side.documents[turn] for turn in range(TOP) for side in sides if turn < len(side.documents)]
    return tuple(document for document in dict.fromkeys((*first, *found)) if _fits_a_line(document))


def _question(query_set: QuerySet, query: JudgedQuery, sides: tuple[Found, ...], folder: Path) -> Question:
    documents = _by_turns(sides, query.relevant)
    return Question(
        query_set=query_set.name,
        query=query.id,
        text=query.text,
        folder=folder.name,
        sides=sides,
        documents=documents,
        grades=known_grades(folder, query.id, documents),
        relevant=query.relevant,
    )


def asked(folder: Path) -> tuple[str, ...]:
    """The ids of the set's queries, as far as its lines can be read."""
    found = (_id_of(line) for line in _lines(folder / "queries.jsonl"))
    return tuple(dict.fromkeys(name for name in found if name is not None))


def known_grades(folder: Path, query: str, documents: Sequence[str]) -> dict[str, int]:
    """What ``qrels.tsv`` says of the query's documents; lines that cannot be read are passed over."""
    by_name = {name: document for document in reversed(documents) for name in _names(document)}
    cells = [[cell.strip() for cell in line.split("\t")] for line in _lines(folder / "qrels.tsv")]
    return {
        by_name[row[1]]: int(row[2])
        for row in cells
        if len(row) >= 3 and row[0] == query and row[1] in by_name and row[2].isdecimal()
    }


def store(evaluation: Path, question: Question, grades: Mapping[str, int]) -> None:
    """Raises BadInput if the grades are not of the question's documents, or none of them is relevant."""
    if not set(grades) <= set(question.documents) or not set(grades.values()) <= set(GRADES):
        raise BadInput("these are not the documents that were asked about", remedy="open the query again")
    if not any(grades.values()):
        raise BadInput(
            "none of the documents is marked as an answer, so the query could not be asked",
            remedy="mark one that answers it, or leave the query out",
        )
    folder = evaluation / question.folder
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with locked(folder, of="these judgements"):  # the page and a terminal may judge at once
        # The query first: a power cut between the two leaves one that is still open, never a judgement of none.
        queries = _lines(folder / "queries.jsonl")
        kept = [line for line in _lines(folder / "qrels.tsv") if not _is_on(line, question.query, grades)]
        if not any(_id_of(line) == question.query for line in queries):
            added = msgspec.json.encode({"_id": question.query, "text": question.text}).decode()
            write_file(folder / "queries.jsonl", "".join(f"{line}\n" for line in [*queries, added]).encode())
        lines = [*(kept or [HEADER]), *(f"{question.query}\t{name}\t{grade}" for name, grade in grades.items())]
        write_file(folder / "qrels.tsv", "".join(f"{line}\n" for line in lines).encode())


def _is_on(line: str, query: str, grades: Mapping[str, int]) -> bool:
    cells = [cell.strip() for cell in line.split("\t")]
    return len(cells) >= 3 and cells[0] == query and any(cells[1] in _names(document) for document in grades)


def _names(document: str) -> tuple[str, str]:
    """How ``qrels.tsv`` may call it: with its collection or without."""
    return document, document.partition("/")[2]


def _id_of(line: str) -> str | None:
    try:
        row = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return None
    given = (row.get("_id") if row.get("_id") is not None else row.get("id")) if isinstance(row, dict) else None
    return None if given is None else str(given)


def _lines(path: Path) -> list[str]:
    """Raises BadInput for a file that is not UTF-8: it is the owner's and is left as it is."""
    try:
        return path.read_bytes().decode("utf-8-sig").splitlines()
    except FileNotFoundError:
        return []
    except UnicodeDecodeError as error:
        raise BadInput(
            f"evaluation/{path.parent.name}/{path.name} is not UTF-8", remedy="save it as UTF-8; it was left as it is"
        ) from error


def _fits_a_line(document: str) -> bool:
    return not any(character in document for character in "\t\r\n")

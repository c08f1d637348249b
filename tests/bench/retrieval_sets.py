"""Public retrieval sets as the benchmarks need them: read, cut to a smaller size, written as a knowledge base.

A set's folder is an argument; none is part of this repository. It holds ``corpus.jsonl.gz`` (``_id``, ``title``,
``text``), ``queries.{train,test}.jsonl.gz`` (``_id``, ``text``), ``qrels.{train,test}.tsv`` and, where somebody
made one, ``test_queries_unseen_docs.txt``. Measured are SciFact (Wadden et al. 2020, CC BY 4.0; English) and
PIAF (Keraron et al. 2020, Licence Ouverte, its paragraphs CC BY-SA; French).
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import defaultdict
from pathlib import Path

import msgspec
from msgspec import Struct

from jobs.domain.corpus import DocumentId
from jobs.domain.examples import Generator, Origin, Pair

DEVELOPMENT_SHARE = 0.1


class Article(Struct, frozen=True, kw_only=True):
    title: str
    text: str


class RetrievalSet(Struct, frozen=True, kw_only=True):
    """Articles, questions about them, and by question id the articles that answer. Test and training apart."""

    name: str
    language: str
    articles: dict[str, Article]
    train_questions: dict[str, str]
    train_relevant: dict[str, frozenset[str]]
    test_questions: dict[str, str]
    test_relevant: dict[str, frozenset[str]]

    def unseen(self) -> frozenset[str]:
        """Test questions none of whose articles any training question is about."""
        seen = frozenset[str]().union(*self.train_relevant.values())
        return frozenset(question for question, names in self.test_relevant.items() if not names & seen)


def read_set(folder: Path, language: str) -> RetrievalSet:
    train, test = (_qrels(folder / f"qrels.{part}.tsv") for part in ("train", "test"))
    return RetrievalSet(
        name=folder.name,
        language=language,
        articles={r["_id"]: Article(title=r["title"], text=r["text"]) for r in _rows(folder / "corpus.jsonl.gz")},
        train_questions={r["_id"]: r["text"] for r in _rows(folder / "queries.train.jsonl.gz") if r["_id"] in train},
        train_relevant=train,
        test_questions={r["_id"]: r["text"] for r in _rows(folder / "queries.test.jsonl.gz") if r["_id"] in test},
        test_relevant=test,
    )


def cut(whole: RetrievalSet, articles: int) -> RetrievalSet:
    """So many articles, every one a test question is about among them, then those of training, then by their names'
    digests; with the training questions whose articles are all left."""
    tested = frozenset[str]().union(*whole.test_relevant.values())
    trained = frozenset[str]().union(*whole.train_relevant.values())
    order = sorted(whole.articles, key=lambda name: (name not in tested, name not in trained, _hash(name)))
    kept = frozenset(order[:articles])
    train = {question: names for question, names in whole.train_relevant.items() if names <= kept}
    return msgspec.structs.replace(
        whole,
        articles={name: article for name, article in whole.articles.items() if name in kept},
        train_relevant=train,
        train_questions={question: whole.train_questions[question] for question in train},
    )


def asked_less(whole: RetrievalSet, questions: int) -> RetrievalSet:
    """With so many of its training questions, which only their names' digests choose. Nothing else changes."""
    kept = sorted(whole.train_questions, key=_hash)[:questions]
    return msgspec.structs.replace(
        whole,
        train_questions={question: whole.train_questions[question] for question in kept},
        train_relevant={question: whole.train_relevant[question] for question in kept},
    )


def pairs_of(whole: RetrievalSet) -> tuple[list[Pair], list[Pair]]:
    """For training and for development: questions as curated pairs, titles as a knowledge base's own.

    A tenth of the articles is kept back for development; pairs about both kinds are used for neither.
    """
    pairs = [_pair("title", article.title, name, frozenset({name}), whole) for name, article in whole.articles.items()]
    for question, names in whole.train_relevant.items():
        pairs += [_pair("curated", whole.train_questions[question], name, names, whole) for name in sorted(names)]
    kept = {name for name in whole.articles if _hash(name) % 1000 < DEVELOPMENT_SHARE * 1000}
    return [p for p in pairs if not _names(p) & kept], [p for p in pairs if _names(p) <= kept]


def write_knowledge_base(whole: RetrievalSet, home: Path, notes: Path) -> None:
    """One Markdown file an article; training questions as curated pairs, test questions as an evaluation set."""
    notes.mkdir(parents=True)
    for name, article in whole.articles.items():
        (notes / f"{name}.md").write_text(f"# {article.title}\n\n{article.text}\n", "utf-8")
    curated = home / "curated" / "embedding"
    curated.mkdir(parents=True)
    rows = [
        {"query": whole.train_questions[question], "document": f"{name}.md"}
        for question, names in whole.train_relevant.items()
        for name in sorted(names)
    ]
    (curated / f"{whole.name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    evaluation = home / "evaluation" / whole.name
    evaluation.mkdir(parents=True)
    questions = [{"_id": name, "text": text, "language": whole.language} for name, text in whole.test_questions.items()]
    (evaluation / "queries.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in questions), "utf-8")
    lines = [f"{q}\t{name}.md\t1\n" for q, names in whole.test_relevant.items() for name in sorted(names)]
    (evaluation / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines), "utf-8")


def spread(pairs: list[Pair], count: int) -> list[Pair]:
    """``count`` pairs in an order that only their texts decide."""
    return sorted(pairs, key=lambda pair: _hash(f"{pair.query}\n{pair.passage}"))[:count]


def _pair(generator: Generator, query: str, name: str, relevant: frozenset[str], whole: RetrievalSet) -> Pair:
    article = whole.articles[name]
    origin = Origin(document=_document(name, whole), sha256="", start=0, length=len(article.text), generator=generator)
    return Pair(
        query=query,
        title=article.title,
        passage=article.text,
        relevant=tuple(_document(each, whole) for each in sorted(relevant)),
        language=whole.language,
        origin=origin,
    )


def _document(name: str, whole: RetrievalSet) -> DocumentId:
    return DocumentId(collection=whole.name, path=f"{name}.md")


def _names(pair: Pair) -> set[str]:
    return {document.path.removesuffix(".md") for document in pair.relevant}


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def _rows(file: Path) -> list[dict[str, str]]:
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _qrels(file: Path) -> dict[str, frozenset[str]]:
    relevant: dict[str, set[str]] = defaultdict(set)
    for line in file.read_text(encoding="utf-8").splitlines()[1:]:
        question, name, grade = line.split("\t")
        if int(grade) > 0:
            relevant[question].add(name)
    return {question: frozenset(names) for question, names in relevant.items()}

"""Random trees of notes with policies and consents, laid out for real, and the datasets made of them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from hypothesis import strategies as st

from config.paths import Home
from jobs.adapters.markdown_folders import MarkdownFolders, scan
from jobs.dataset.build import Dataset, Inputs, build, load
from jobs.domain.consent import USES
from jobs.domain.corpus import Collection, DocumentId
from jobs.domain.errors import NotEnough
from jobs.domain.examples import Expansion, Pair, Split, Target
from jobs.ports import Corpus
from tests.house import keys_of
from tests.unit.dataset.sample import note, quiet, small_settings, write_consent, write_policy

RECORD = """
schema = "iaip.consent/1"
holder = "{name}"
kind = "{kind}"
contact = "x"
language = "en"
agreed = 2026-01-01
[[grant]]
uses = {uses}
folders = ["{place}"]
"""


def record(place: Home, name: str, kind: str, uses: list[str], where: str, more: str = "") -> None:
    text = RECORD.format(name=name, kind=kind, uses=uses, place=where) + more
    write_consent(place, f"{name}.toml", text.replace("'", '"'))


def built(place: Home, corpus: Corpus, listing: list[tuple[DocumentId, str]], target: Target) -> Dataset | None:
    settings = small_settings(test_share=0.4)
    inputs = Inputs(corpus=corpus, documents=listing, home=place, settings=settings, keys=keys_of(place))
    try:
        manifest = build(target, inputs, quiet)
    except NotEnough:
        return None
    return load(place.datasets / manifest.name, keys_of(place))


def touched(dataset: Dataset) -> set[tuple[DocumentId, str]]:
    """Every document that the dataset names in any way, with the split it is named in."""
    found: set[tuple[DocumentId, str]] = set()
    splits: tuple[Split, ...] = ("train", "development", "test")
    for split in splits:
        rows: list[Pair | Expansion] = [*dataset.pairs(split), *dataset.expansions(split)]
        for row in rows:
            found |= {(d, split) for d in (row.origin.document, row.origin.through, *row.relevant) if d}
    names = {str(known.id): known.id for known in dataset.documents}
    return found | {(names[name], "test") for s in dataset.query_sets for q in s.queries for name in q.relevant}


FOLDERS = ("", "a", "a/b", "A", "c", unicodedata.normalize("NFD", "Été"))
MARKS = ("", "iaip: exclude", "iaip: sacred", "iaip: {classification: public}", "iaip: {classification: personal}",
         "iaip: {classification: community, consent: council}", "iaip: {classification: secret}", "iaip: {x: 1}",
         "a: [", "iaip: {season: 06-01..06-02}")  # fmt: skip
CLASS = st.sampled_from(["public", "personal", "community", "sacred"])
MARK = st.sampled_from(MARKS[3:6]) | st.sampled_from(MARKS) | st.just("")
TREE = st.lists(st.tuples(st.sampled_from(FOLDERS), MARK), min_size=6, max_size=9)
# The whole is mostly classified and consented to, so that there are examples for a denied document to slip into.
POLICY = st.tuples(
    st.sampled_from(["public", "public", "personal", "community"]).map(lambda word: ("kb", word)),
    st.tuples(st.sampled_from(["kb/a", "kb/a/b", "kb/c"]), CLASS),
    st.tuples(st.just("curated"), CLASS),
).map(list)
FOLDER_POLICIES = st.dictionaries(st.sampled_from(FOLDERS[1:]), CLASS | st.just("unknown"), max_size=2)
SOME_USES = st.lists(st.sampled_from(USES), min_size=1, max_size=4, unique=True)
MOST_USES = st.sampled_from([list(USES), ["embed", "evaluate"], ["expand", "evaluate"], ["embed"], ["evaluate"]])
GRANTS = st.tuples(
    st.tuples(st.just("ada"), st.just("person"), MOST_USES, st.sampled_from(["kb", "kb/a"]), st.just("")),
    st.tuples(st.just("council"), st.just("community"), MOST_USES, st.sampled_from(["kb", "kb/c"]), st.just("")),
    st.tuples(
        st.sampled_from(["ada", "council", "band"]),
        st.sampled_from(["person", "community", "authority"]),
        SOME_USES,
        st.sampled_from(["kb", "kb/a/b", "curated"]),
        st.sampled_from(["", "until = 2020-01-01", "from = 2099-01-01"]),
    ),
).map(list)


def laid_out(
    folder: Path,
    tree: list[tuple[str, str]],
    policy: list[tuple[str, str]],
    folder_policies: dict[str, str],
    grants: list[tuple[str, str, list[str], str, str]],
) -> tuple[Home, MarkdownFolders, list[tuple[DocumentId, str]]]:
    """The home, its corpus, and every document with its digest."""
    root, place = folder / "kb", Home(root=folder / "home")
    for number, (where, mark) in enumerate(tree):
        path = root / where / f"n{number}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((f"---\n{mark}\n---\n" if mark else "") + note(number) + f"\n{links(tree)}\n")
    for where, word in folder_policies.items():
        (root / where).mkdir(parents=True, exist_ok=True)
        (root / where / ".iaip.toml").write_text(f'classification = "{word}"\n')
    write_policy(place, "\n".join(f'[[rule]]\nplace = "{name}"\nclassification = "{word}"' for name, word in policy))
    for grant in grants:
        record(place, *grant)
    (place.curated / "embedding").mkdir(parents=True)
    (place.curated / "embedding" / "mine.jsonl").write_text('{"query": "a curated query", "document": "n0.md"}\n')
    collections = [Collection(name="kb", path=str(root))]
    corpus = MarkdownFolders(collections, largest=10**6)
    seen = scan(collections, {}, largest=10**6, now_ns=0)
    listing = [(document.id, document.known.sha256) for document in seen.documents]
    return place, corpus, listing


def links(tree: list[tuple[str, str]]) -> str:
    """A telling link to every note of the tree."""
    words = "quarry lantern meadow glacier compass saddle kettle mosaic fresco".split()
    return " ".join(f"[{words[n]} voyage of winter](/{where}/n{n}.md)" for n, (where, _) in enumerate(tree))

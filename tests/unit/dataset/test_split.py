from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobs.dataset.sketch import Clusters, near_duplicates, similarity, sketch
from jobs.dataset.split import joined_clusters, split_documents
from tests.unit.dataset.sample import note, small_settings

SETTINGS = small_settings().dataset
NAMES = st.lists(st.text("abc/.", min_size=1, max_size=6), min_size=1, max_size=40, unique=True)
GROUPS = st.lists(st.lists(st.text("abc/.", min_size=1, max_size=6), max_size=4), max_size=10)


@given(NAMES, GROUPS)
def test_a_cluster_is_never_split(names: list[str], groups: list[list[str]]) -> None:
    clusters = joined_clusters({name: (name,) for name in names}, groups)
    splits = split_documents(clusters, SETTINGS)
    assert set(splits) == set(names)
    for group in groups:
        assert len({splits[name] for name in group if name in splits}) <= 1


@given(NAMES, GROUPS, st.text("abc/.", min_size=1, max_size=6))
def test_a_new_document_moves_only_those_whose_cluster_it_joins(
    names: list[str], groups: list[list[str]], new: str
) -> None:
    old = {name: (name,) for name in names if name != new}
    before_clusters = joined_clusters(old, groups)
    before = split_documents(before_clusters, SETTINGS)
    after_clusters = joined_clusters(old | {new: (new,)}, groups)
    after = split_documents(after_clusters, SETTINGS)
    for name in old:
        assert before[name] == after[name] or new in after_clusters[name]


def test_the_shares_are_those_of_the_settings() -> None:
    splits = list(split_documents({f"n{i}": (f"n{i}",) for i in range(8000)}, SETTINGS).values())
    assert abs(splits.count("test") / 8000 - SETTINGS.test_share) < 0.015
    assert abs(splits.count("development") / 8000 - SETTINGS.development_share) < 0.015


def test_a_lightly_edited_copy_is_a_near_duplicate_and_another_note_is_not() -> None:
    text = note(1, sections=12)
    sketches = {"a": sketch(text), "b": sketch(text.replace("harvest", "gathering")), "c": sketch(note(2, sections=12))}
    members = near_duplicates(sketches).members()
    assert members["a"] == members["b"] == ("a", "b")
    assert members["c"] == ("c",)


def test_texts_too_short_to_compare_resemble_nothing() -> None:
    assert sketch("only five words are here") == b""
    assert near_duplicates({"a": b"", "b": b""}).members() == {"a": ("a",), "b": ("b",)}


@given(st.lists(st.sampled_from("the cat sat on a mat and saw dogs run".split()), min_size=8, max_size=200))
def test_a_text_is_wholly_similar_to_itself(words: list[str]) -> None:
    text = " ".join(words)
    assert similarity(sketch(text), sketch(text.upper())) == 1.0


def test_the_estimate_is_near_the_true_similarity() -> None:
    words = [f"w{number}" for number in range(1200)]
    for shared in (300, 600, 900):
        one, other = " ".join(words[:900]), " ".join(words[900 - shared : 1800 - shared])
        true = len(set(range(900)) & set(range(900 - shared, min(1200, 1800 - shared)))) / len(
            set(range(900)) | set(range(900 - shared, min(1200, 1800 - shared)))
        )
        assert abs(similarity(sketch(one), sketch(other)) - true) < 0.2


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=40))
def test_clusters_are_disjoint_and_cover_every_name(joins: list[tuple[int, int]]) -> None:
    clusters = Clusters(str(number) for number in range(31))
    for one, other in joins:
        clusters.join(str(one), str(other))
    members = clusters.members()
    assert all(members[other] == group for name, group in members.items() for other in group)
    assert all(name in group for name, group in members.items())
    assert all(members[str(one)] == members[str(other)] for one, other in joins)

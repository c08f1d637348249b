"""A loss is believed when it is plausible; what is kept comes back or is let go of."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from jobs.domain.corpus import DocumentId
from jobs.domain.deletions import DOUBT, Deletions, Folder, judge_deletions
from jobs.domain.scan import Known, PassedOver, Root, Scan, Seen

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LATER = NOW + DOUBT
HERE = Root(collection="notes", device=1, inode=2)
ELSEWHERE = Root(collection="notes", device=3, inode=2)
FULL = {"notes": Folder(device=1, inode=2)}


def note(name: str | int, collection: str = "notes") -> DocumentId:
    return DocumentId(collection=collection, path=f"{name}.md")


def known(*names: str | int) -> dict[DocumentId, Known]:
    return {note(name): fact(str(name)) for name in names}


def fact(sha256: str) -> Known:
    return Known(size=1, mtime_ns=1, inode=1, sha256=sha256)


def found(*names: str | int, root: Root | None = HERE, **more: object) -> Scan:
    return Scan(
        documents=tuple(Seen(id=note(name), known=fact(str(name))) for name in names),
        passed_over=(),
        unreadable_folders=() if root else (DocumentId(collection="notes", path=""),),
        roots=(root,) if root else (),
        **more,  # type: ignore[arg-type]
    )


def test_a_few_deletions_are_believed_at_once() -> None:
    judged = judge_deletions(known(1, 2, 3, 4), found(1, 2), FULL, NOW)
    assert (set(judged.believed), judged.doubted) == ({note(3), note(4)}, {})


def test_an_empty_mount_point_deletes_nothing_however_long_it_lasts() -> None:
    documents = known(*range(20))
    first = judge_deletions(documents, found(root=ELSEWHERE), FULL, NOW)
    assert (first.believed, first.doubted) == ((), {"notes": 20})
    much_later = judge_deletions(documents, found(root=ELSEWHERE), first.folders, NOW + 400 * DOUBT)
    assert (much_later.believed, much_later.doubted) == ((), {"notes": 20})


def test_a_volume_that_comes_back_ends_the_doubt() -> None:
    documents = known(*range(20))
    away = judge_deletions(documents, found(root=ELSEWHERE), FULL, NOW)
    back = judge_deletions(documents, found(*range(20)), away.folders, LATER)
    assert (back.believed, back.doubted, back.folders) == ((), {}, FULL)


def test_the_same_folder_emptied_is_believed_after_a_day() -> None:
    documents = known(1, 2, 3)
    first = judge_deletions(documents, found(), FULL, NOW)
    assert judge_deletions(documents, found(), first.folders, LATER - timedelta(seconds=1)).believed == ()
    assert set(judge_deletions(documents, found(), first.folders, LATER).believed) == set(documents)


def test_another_folder_with_other_notes_is_believed_after_a_day() -> None:
    documents = known(1, 2, 3)
    first = judge_deletions(documents, found("new", root=ELSEWHERE), FULL, NOW)
    assert first.doubted == {"notes": 3}
    second = judge_deletions(documents, found("new", root=ELSEWHERE), first.folders, LATER)
    assert set(second.believed) == set(documents)


def test_a_folder_that_fills_up_again_slowly_loses_nothing_meanwhile() -> None:
    documents = known(*range(10))
    doubted = judge_deletions(documents, found(root=ELSEWHERE), FULL, NOW)
    halfway = judge_deletions(documents, found(*range(6), root=ELSEWHERE), doubted.folders, NOW)
    assert (halfway.believed, halfway.doubted) == ((), {"notes": 4})


def test_an_emptied_folder_nobody_remembers_is_never_its_own_witness() -> None:
    documents = known(1, 2, 3)
    first = judge_deletions(documents, found(), {}, NOW)
    assert judge_deletions(documents, found(), first.folders, LATER).believed == ()


def test_notes_that_moved_are_no_loss() -> None:
    moved = tuple(Seen(id=note(f"archive-{n}"), known=fact(str(n))) for n in range(5))
    scan = Scan(documents=moved, passed_over=(), unreadable_folders=(), roots=(HERE,))
    judged = judge_deletions(known(*range(5)), scan, FULL, NOW)
    assert (set(judged.believed), judged.doubted) == (set(known(*range(5))), {})


def test_what_the_owner_leaves_out_goes_at_once_even_while_the_folder_is_away() -> None:
    documents = known(1, 2, 3)
    judged = judge_deletions(documents, found(root=None, unlisted=(note(1), note(2))), FULL, NOW)
    assert set(judged.believed) == {note(1), note(2)}
    judged = judge_deletions(documents, found(unlisted=tuple(documents)), FULL, NOW)
    assert set(judged.believed) == set(documents)


def test_a_collection_taken_out_of_qmd_is_gone_but_not_all_of_them_at_once() -> None:
    documents = {**known(1, 2), note(1, "work"): fact("w")}
    judged = judge_deletions(documents, found(1, 2), FULL, NOW)
    assert judged.believed == (note(1, "work"),)
    no_collections = Scan(documents=(), passed_over=(), unreadable_folders=())
    judged = judge_deletions(documents, no_collections, FULL, NOW)
    assert (judged.believed, judged.doubted) == ((), {"notes": 2, "work": 1})


def test_a_clock_that_was_set_back_does_not_prolong_a_doubt() -> None:
    documents = known(1, 2, 3)
    future = {"notes": Folder(device=1, inode=2, doubted_since=NOW + 1000 * DOUBT)}
    today = judge_deletions(documents, found(), future, NOW)
    assert set(judge_deletions(documents, found(), today.folders, LATER).believed) == set(documents)


VOLUME = Root(collection="notes", device=9, inode=2, path="archive")


def with_volume(outside: Collection[int], inside: Collection[int], *, mounted: bool) -> Scan:
    """Notes 1, 2 … of the collection's own folder, and archive/1, archive/2 … of the volume below it."""
    scan = found(*outside, *(f"archive/{number}" for number in inside))
    return msgspec.structs.replace(scan, roots=(HERE, VOLUME) if mounted else (HERE,))


def scanned(scan: Scan) -> dict[DocumentId, Known]:
    return {seen.id: seen.known for seen in scan.documents}


def test_a_volume_inside_a_collection_that_is_not_mounted_deletes_nothing_however_few_its_notes_are() -> None:
    before = with_volume(range(60), range(50), mounted=True)
    folders = judge_deletions({}, before, {}, NOW).folders
    for later in (NOW, LATER, NOW + 400 * DOUBT):
        away = judge_deletions(scanned(before), with_volume(range(60), (), mounted=False), folders, later)
        assert (away.believed, away.doubted) == ((), {"notes": 50})
        folders = away.folders
    back = judge_deletions(scanned(before), before, folders, LATER)
    assert (back.believed, back.doubted) == ((), {})


def test_what_is_deleted_on_a_mounted_inner_volume_is_believed_as_elsewhere() -> None:
    before = with_volume(range(60), range(4), mounted=True)
    folders = judge_deletions({}, before, {}, NOW).folders
    half = judge_deletions(scanned(before), with_volume(range(60), range(2), mounted=True), folders, NOW)
    assert set(half.believed) == {note("archive/2"), note("archive/3")}
    emptied = judge_deletions(scanned(before), with_volume(range(60), (), mounted=True), folders, NOW)
    assert (emptied.believed, emptied.doubted) == ((), {"notes": 4})
    after = judge_deletions(scanned(before), with_volume(range(60), (), mounted=True), emptied.folders, LATER)
    assert len(after.believed) == 4


def test_a_volume_without_notes_is_not_remembered() -> None:
    mounted = with_volume(range(3), (), mounted=True)
    assert judge_deletions({}, mounted, {}, NOW).folders.keys() == {"notes"}


@given(
    outside=st.sets(st.integers(0, 30)),
    left=st.sets(st.integers(0, 30)),
    inside=st.sets(st.integers(0, 30), min_size=1),
    days=st.lists(st.integers(-3, 5), max_size=5),
)
def test_no_note_of_a_volume_that_is_away_is_ever_believed_gone(
    outside: set[int], left: set[int], inside: set[int], days: list[int]
) -> None:
    before = with_volume(outside, inside, mounted=True)
    documents, folders, now = scanned(before), judge_deletions({}, before, {}, NOW).folders, NOW
    for passed in days:
        now += passed * DOUBT
        judged = judge_deletions(documents, with_volume(outside & left, (), mounted=False), folders, now)
        documents = {document: value for document, value in documents.items() if document not in judged.believed}
        folders = judged.folders
    assert {note(f"archive/{number}") for number in inside} <= documents.keys()


NAMES = st.sets(st.integers(0, 30))


@given(
    before=NAMES,
    present=NAMES,
    passed=NAMES,
    root=st.sampled_from([HERE, ELSEWHERE, None]),
    doubted=st.sampled_from([None, NOW - DOUBT, NOW]),
)
def test_every_known_document_is_there_kept_or_believed_gone(
    before: set[int], present: set[int], passed: set[int], root: Root | None, doubted: datetime | None
) -> None:
    documents, there = known(*before), present - passed
    scan = found(*there, root=root)
    scan = Scan(
        documents=scan.documents,
        passed_over=tuple(PassedOver(id=note(n), reason="unreadable") for n in passed),
        unreadable_folders=scan.unreadable_folders,
        roots=scan.roots,
    )
    judged = judge_deletions(documents, scan, {"notes": Folder(device=1, inode=2, doubted_since=doubted)}, NOW)
    gone = {note(n) for n in before - present - passed}
    assert set(judged.believed) <= gone
    assert len(judged.believed) + judged.doubted.get("notes", 0) == (len(gone) if root else 0)
    if doubted is None and judged.believed:
        assert len(judged.believed) * 2 <= len(documents)


@given(before=NAMES, looks=st.lists(st.tuples(NAMES, st.sampled_from([HERE, ELSEWHERE, None])), max_size=8))
def test_within_a_day_no_more_than_half_goes_in_any_scan(
    before: set[int], looks: list[tuple[set[int], Root | None]]
) -> None:
    documents, folders = known(*before), FULL
    for present, root in looks:
        judged: Deletions = judge_deletions(documents, found(*(present if root else ()), root=root), folders, NOW)
        assert len(judged.believed) * 2 <= len(documents)
        documents = {document: value for document, value in documents.items() if document not in judged.believed}
        documents |= known(*(present if root else ()))
        folders = judged.folders

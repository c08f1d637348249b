"""A receipt is good only when every way was tried, every answer was a refusal and nobody heard anything."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.domain.confinement import A_FILE, NO_FILE_WALLS, WAYS_OUT, Probe, Receipt, waived_if

GOOD = Receipt(rung="landlock", files="landlock", probes=tuple(Probe(way=way, outcome="EACCES") for way in WAYS_OUT))


def with_outcome(way: str, outcome: str) -> Receipt:
    probes = tuple(Probe(way=p.way, outcome=outcome if p.way == way else p.outcome) for p in GOOD.probes)
    return msgspec.structs.replace(GOOD, probes=probes)


def test_a_good_receipt_has_no_gap_and_says_so() -> None:
    assert GOOD.gaps() == ()
    assert "no way out (landlock): 10 ways out tried, all barred, nothing heard or written" in GOOD.in_words()


@given(st.sampled_from(WAYS_OUT), st.sampled_from(["open", "ETIMEDOUT", "ECONNREFUSED", "EHOSTUNREACH", "ENOENT", ""]))
def test_any_other_answer_is_a_gap_by_its_name(way: str, outcome: str) -> None:
    assert with_outcome(way, outcome).gaps() == (way,)
    assert f"open: {way}" in with_outcome(way, outcome).in_words()


@given(
    st.sampled_from(WAYS_OUT), st.sampled_from(["EPERM", "EACCES", "ENETUNREACH", "EAFNOSUPPORT", "ENXIO", "EAI_AGAIN"])
)
def test_every_refusal_will_do(way: str, outcome: str) -> None:
    assert with_outcome(way, outcome).gaps() == ()


@given(st.sampled_from(WAYS_OUT))
def test_a_way_that_was_not_tried_and_one_that_was_heard_are_gaps(way: str) -> None:
    untried = tuple(probe for probe in GOOD.probes if probe.way != way)
    assert msgspec.structs.replace(GOOD, probes=untried).gaps() == (way,)
    assert msgspec.structs.replace(GOOD, heard=(way,)).gaps() == (way,)


def test_no_sandbox_is_a_gap_even_if_all_is_silent() -> None:
    assert msgspec.structs.replace(GOOD, rung="none").gaps() == ("no sandbox",)


def test_without_walls_around_files_the_network_is_barred_all_the_same_and_the_receipt_says_which_is_not() -> None:
    written = msgspec.structs.replace(with_outcome(A_FILE, "open"), files="none", heard=(A_FILE,))
    assert written.holds() and written.gaps() == ()
    assert f"all barred but {NO_FILE_WALLS}" in written.in_words()
    assert "no network (landlock)" in written.in_words() and "no way out" not in written.in_words()
    assert msgspec.structs.replace(written, heard=(A_FILE, "udp-parent")).gaps() == ("udp-parent",)


BARE = msgspec.structs.replace(GOOD, rung="none", heard=("tcp-parent",))


def test_only_a_system_without_any_sandbox_is_made_up_for_and_only_by_public_notes() -> None:
    waived = waived_if(BARE, lambda: True)
    assert (
        waived.holds()
        and waived.gaps()
        and "no sandbox (none), allowed since every note is public" in waived.in_words()
    )
    assert not waived_if(BARE, lambda: False).holds()
    assert not BARE.holds() and GOOD.holds()


@given(st.sampled_from(WAYS_OUT))
def test_a_sandbox_with_a_gap_is_never_waived(way: str) -> None:
    assert not waived_if(with_outcome(way, "open"), lambda: True).holds()


def test_nobody_reads_the_notes_where_the_sandbox_holds() -> None:
    def read() -> bool:
        raise AssertionError

    assert waived_if(GOOD, read) == GOOD


@pytest.mark.parametrize(
    "other",
    [with_outcome("tcp", "EPERM"), msgspec.structs.replace(GOOD, heard=("tcp-parent",))],
    ids=["probe", "heard"],
)
def test_the_digest_names_all_that_it_says(other: Receipt) -> None:
    assert GOOD.digest() == msgspec.structs.replace(GOOD).digest()
    assert other.digest() != GOOD.digest()

"""The log of consent: whatever is done to a line of it shows."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.domain.consent_log import Chain, imported, read_chain, sealed

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def chain_of(number: int) -> Chain:
    chain = Chain()
    for count in range(number):
        entry = sealed(
            chain, NOW + timedelta(days=count), "import", f"r{count % 3}.toml", {"by": "ada"}, f"text {count}"
        )
        chain = Chain(entries=(*chain.entries, entry))
    return chain


def lines_of(chain: Chain) -> list[bytes]:
    return [msgspec.json.encode(entry) for entry in chain.entries]


def test_a_chain_reads_back_whole() -> None:
    chain = chain_of(5)
    assert read_chain(lines_of(chain), chain.head) == chain


@given(st.integers(0, 5), st.data())
def test_any_change_of_any_line_is_found_and_what_stands_before_it_still_holds(
    number: int, data: st.DataObject
) -> None:
    chain = chain_of(6)
    lines = lines_of(chain)
    found = json.loads(lines[number])
    key = data.draw(st.sampled_from(sorted(found)))
    found[key] = {"number": 99, "at": "2020-01-01T00:00:00Z", "detail": {"by": "eve"}}.get(key, "x" * 64)
    if key == "action":
        found[key] = "remove"
    lines[number] = json.dumps(found).encode()
    broken = read_chain(lines, chain.head)
    assert f"line {number + 1} " in broken.problem
    assert broken.entries == chain.entries[:number]


@pytest.mark.parametrize("missing", range(6))
def test_a_line_that_is_gone_is_missed_even_the_last(missing: int) -> None:
    chain = chain_of(6)
    lines = lines_of(chain)
    del lines[missing]
    assert read_chain(lines, chain.head).problem


def test_lines_in_another_order_twice_or_of_another_kind_are_found() -> None:
    lines = lines_of(chain_of(3))
    for changed in ([lines[1], lines[0], lines[2]], [*lines, lines[2]], [*lines, b"{}"], [b"\xff", *lines]):
        assert read_chain(changed, "").problem


def test_entries_that_the_note_of_the_head_does_not_know_yet_are_fine() -> None:
    chain = chain_of(4)
    assert read_chain(lines_of(chain), chain.entries[2].digest).problem == ""
    assert read_chain([], chain.head).problem
    assert read_chain([], "").problem == ""


def test_a_clock_that_was_set_back_does_not_reach_the_log() -> None:
    chain = chain_of(3)
    assert sealed(chain, NOW - timedelta(days=900), "note", "x", {}).at == chain.newest()


def test_the_newest_import_of_a_file_counts_until_it_is_removed() -> None:
    chain = chain_of(5)
    assert {name: entry.number for name, entry in imported(chain).items()} == {"r0.toml": 4, "r1.toml": 5, "r2.toml": 3}
    gone = Chain(entries=(*chain.entries, sealed(chain, NOW, "remove", "r0.toml", {})))
    assert set(imported(gone)) == {"r1.toml", "r2.toml"}


def test_anyone_can_check_a_digest_with_a_json_library() -> None:
    import hashlib

    (line,) = lines_of(chain_of(1))
    entry = json.loads(line)
    claimed, entry["digest"] = entry["digest"], ""
    compact = json.dumps(entry, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(compact.encode()).hexdigest() == claimed

"""A burst of edits is one scan, and a busy folder is still scanned."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.debounce import Dirty, scan_due

moments = st.floats(0, 1e6)


def test_nothing_changed_nothing_is_due() -> None:
    assert not scan_due(None, now=1e9, quiet=10, at_most=60)


@given(first=moments, now=moments)
def test_a_scan_waits_for_quiet(first: float, now: float) -> None:
    dirty = Dirty(first=first, last=first)
    assert scan_due(dirty, now=now, quiet=10, at_most=60) == (now - first >= 10)


@given(first=moments, touches=st.lists(st.floats(0, 5), max_size=100))
def test_it_never_waits_longer_than_at_most(first: float, touches: list[float]) -> None:
    dirty = Dirty(first=first, last=first)
    for gap in touches:
        dirty = dirty.touched(dirty.last + gap)
    assert scan_due(dirty, now=first + 60.001, quiet=10, at_most=60)

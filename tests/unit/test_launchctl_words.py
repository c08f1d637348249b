"""What launchctl says: every exit code has words and a next step, and what it prints only explains."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchd import launchctl
from launchd.launchd_agent import LABEL
from launchd.machine import Answer, Session


@pytest.mark.parametrize("code", [*launchctl.WORDS, 999])
def test_every_exit_code_has_words_and_a_next_step(code) -> None:
    told = launchctl.failed("bootstrap", Answer(code, "", ""), Session(uid=501))
    assert str(code) in told.message and len(told.remedy) > 10


@pytest.mark.parametrize(
    ("line", "disabled"),
    [
        (f'\t\t"{LABEL}" => disabled', True),
        (f'\t\t"{LABEL}" => enabled', False),
        (f'\t\t"{LABEL}" => true', True),
        (f'\t\t"{LABEL}" => false', False),
        (f'\t\t"{LABEL}.other" => disabled', False),
        ("", False),
    ],
)
def test_both_spellings_of_an_override_are_read(line, disabled) -> None:
    assert launchctl.is_disabled(f"\tdisabled services = {{\n{line}\n\t}}\n", LABEL) is disabled


@given(st.text())
def test_whatever_print_says_only_explains(text) -> None:
    assert "\n" not in launchctl.told_state(text)

"""What is logged of an exception tells where and what kind, and none of its words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobs.domain.wordless import wordless


def raised(first: str, second: str) -> BaseException:
    try:
        try:
            raise FileNotFoundError(2, first, f"/notes/{first}.md")
        except OSError as cause:
            raise ValueError(second) from cause
    except ValueError as error:
        return error


@given(st.text(min_size=1).map(lambda text: f"CANARY{text}"), st.text(min_size=1).map(lambda text: f"CANARY{text}"))
def test_no_word_of_the_message_is_in_it(first, second) -> None:
    told = wordless(raised(first, second))
    assert "CANARY" not in told
    lines = told.split("\n")
    assert lines[1] == "builtins.FileNotFoundError 2" and lines[-1] == "builtins.ValueError"
    assert all("test_wordless.py" in line for line in lines if line.startswith("File "))


def test_a_circle_of_causes_ends() -> None:
    one, other = ValueError("a"), KeyError("b")
    one.__cause__, other.__cause__ = other, one
    assert wordless(one).split("\n") == ["builtins.KeyError", "builtins.ValueError"]

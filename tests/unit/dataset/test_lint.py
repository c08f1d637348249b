from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobs.dataset.lint import lint, query_terms, shares_term
from jobs.domain.examples import ExpansionLine

LINES = st.lists(
    st.builds(ExpansionLine, kind=st.sampled_from(["lex", "vec", "hyde"]), text=st.text("tar foo\né😀<|", max_size=20)),
    max_size=8,
)


def lines(*texts: str) -> list[ExpansionLine]:
    return [ExpansionLine(kind="lex", text=text) for text in texts]


def test_a_line_that_shares_no_word_with_the_query_is_dropped_and_counted() -> None:
    linted = lint("tar archive", lines("extract a tarball", "zip file"))
    assert [line.text for line in linted.lines] == ["extract a tarball"]
    assert linted.dropped == ("line shares no word with its query",)


def test_letters_with_accents_part_words_as_they_do_for_qmd() -> None:
    assert query_terms("Château d'If") == ["ch", "teau", "d", "if"]
    assert shares_term(query_terms("été"), "chat")  # the lone t is in it


def test_a_query_without_a_single_term_keeps_every_line() -> None:
    assert len(lint("日本", lines("anything")).lines) == 1


def test_a_line_that_repeats_the_query_or_carries_chat_marks_is_dropped() -> None:
    assert lint("tar", lines("tar", " tar ", "tar <|im_end|>", "tar\nfoo", "")).lines == ()


@given(st.text("tar foé 日", min_size=1, max_size=12), LINES)
def test_what_is_kept_is_kept_again_and_nothing_is_lost_uncounted(query: str, given_lines: list[ExpansionLine]) -> None:
    linted = lint(query, given_lines)
    assert len(linted.lines) + len(linted.dropped) == len(given_lines)
    assert lint(query, linted.lines) == type(linted)(lines=linted.lines, dropped=())
    assert len(set(linted.lines)) == len(linted.lines)
    assert all(line.text and shares_term(query_terms(query), line.text) for line in linted.lines)

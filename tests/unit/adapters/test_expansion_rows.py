from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from jobs.adapters.expansion_rows import PADDING, Row, batch_of, prompt_tokens, row_of, rows_of
from jobs.domain.corpus import DocumentId
from jobs.domain.examples import Expansion, ExpansionLine, Origin
from jobs.domain.prompts import expansion_answer

QMD_GRAMMAR = re.compile(r"(?:(?:lex|vec|hyde): [^\n]+\n)+")
END = 3


class Letters:
    """A tokenizer of one token a character; turns stand in brackets."""

    end_of_turn = END

    def prompt(self, system: str, user: str) -> list[int]:
        return self.tokens(f"[{system}][{user}]")

    def tokens(self, text: str) -> list[int]:
        return [ord(letter) for letter in text]


def expansion(*texts: str) -> Expansion:
    origin = Origin(
        document=DocumentId(collection="notes", path="a.md"), sha256="", start=0, length=0, generator="heading"
    )
    lines = tuple(ExpansionLine(kind="lex", text=text) for text in texts)
    return Expansion(query="ice", lines=lines, language="en", origin=origin)


def written(tokens: tuple[int, ...]) -> str:
    return "".join(chr(token) for token in tokens)


def test_a_row_asks_as_qmd_asks_and_ends_its_turn() -> None:
    row = row_of(expansion("lake ice"), Letters(), 1000)
    assert row is not None
    assert written(row.tokens[: row.prompt]).endswith("[/no_think Expand this search query: ice]")
    assert written(row.tokens[: row.prompt]).startswith("[You are a helpful, respectful and honest assistant.")
    assert written(row.tokens[row.prompt : -1]) == "lex: lake ice\n"
    assert row.tokens[-1] == END


def test_a_long_row_is_cut_in_its_answer() -> None:
    asked = len(prompt_tokens("ice", Letters()))
    row = row_of(expansion("lake ice"), Letters(), asked + 5)
    assert row is not None
    assert written(row.tokens[row.prompt :]) == "lex: "


def test_a_row_without_an_answer_left_is_no_row() -> None:
    asked = len(prompt_tokens("ice", Letters()))
    assert row_of(expansion("lake ice"), Letters(), asked) is None
    assert rows_of([expansion(), expansion("lake")], Letters(), 1000) == (row_of(expansion("lake"), Letters(), 1000),)


@given(st.lists(st.tuples(st.sampled_from(["lex", "vec", "hyde"]), st.text(min_size=1)), min_size=1))
def test_an_answer_is_one_that_the_grammar_admits(lines: list[tuple[str, str]]) -> None:
    lines = [(kind, f"x{text}") for kind, text in lines]
    assert QMD_GRAMMAR.fullmatch(expansion_answer(lines))


ROWS = st.lists(
    st.tuples(st.integers(1, 30), st.integers(1, 30)).map(lambda sizes: Row(tokens=(9,) * sum(sizes), prompt=sizes[0])),
    min_size=1,
    max_size=8,
)


@given(ROWS, st.sampled_from([1, 8, 32]))
def test_a_batch_is_rectangular_and_loses_no_token(rows: list[Row], multiple: int) -> None:
    batch = batch_of(rows, multiple=multiple)
    assert {len(tokens) for tokens in batch.tokens} == {batch.width}
    assert batch.width % multiple == 0
    assert batch.width - max(batch.lengths) < multiple
    assert [tuple(t for t in tokens if t != PADDING) for tokens in batch.tokens] == [row.tokens for row in rows]
    assert batch.answer_tokens == sum(len(row.tokens) - row.prompt for row in rows)

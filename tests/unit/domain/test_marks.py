"""What a note says of itself, and what only looks like it."""

from __future__ import annotations

import pytest

from tests.unit.domain.ruled import allowed


@pytest.mark.parametrize(
    "mark",
    ["iaip: exclude", "IAIP: Exclude", "iaip: {exclude: true}", "iaip: {exclude: yes}", "iaip: [exclude]",
     "iaip:\n  - exclude", "iaip: [{exclude: true}]", "iaip: something new", "iaip: true", "iaip: ok\nIaip: exclude",
     "iaip: {classification: secret}", "iaip: {classification: 3}", "iaip: {classification: [public, [sacred]]}",
     "iaip: {classification: unclassified}", "iaip: {consent: {a: b}}", "iaip: {season: someday}",
     "iaip: {clasification: public}", "iaip: sacred", "iaip: {classification: Sacred}",
     "iaip: {classification: public}\nIAIP: {classification: sacred}"],
)  # fmt: skip
def test_a_mark_that_excludes_or_is_not_understood_denies(mark: str) -> None:
    assert not allowed(f"---\n{mark}\n---\ntext\n")


@pytest.mark.parametrize(
    "mark",
    ["title: x", "iaip:", "iaip: {exclude: false}", "iaip: {exclude: no}", "iaip: []", "iaip: public",
     "iaip: {classification: Public, languages: [oj, fr], attribution: A. Nanibush}"],
)  # fmt: skip
def test_a_note_that_excludes_nothing_is_permitted(mark: str) -> None:
    assert allowed(f"---\n{mark}\n---\ntext\n")


def test_broken_front_matter_denies() -> None:
    assert not allowed("---\na: [\n---\ntext\n")


@pytest.mark.parametrize(
    "text",
    ["\n---\niaip: sacred\n---\nx", " ---\niaip: sacred\n---\n", "<!-- c -->\n---\niaip: sacred\n---\n",
     "<!-- a\nb -->\n\n---\n# a word\niaip: sacred\n---\n", "+++\n[iaip]\nclassification='sacred'\n+++\nx",
     "+++\niaip.classification = 'sacred'\n+++\n", "+++\ntitle='x'\nclassification = 'sacred'\n+++\n",
     "---\niaip.classification: sacred\n---\nx", "---\niaip classification: sacred\n---\nx",
     "---\rtitle: x\riaip: sacred\r---\r", "---\niaip: sacred\n----\n", "---\niaip: sacred\n--- # end\nbody",
     "---\n# comment only head\n\niaip: sacred\n", "---\n# a\n\n# b\n\n\"iaip\": sacred\n",
     "---\ntitle: x\n---\niaip: sacred\n# Head\n", "---\n---\niaip: sacred\n", "iaip: sacred\n\n# Head\n",
     "\ufeff\n---\nIAIP : sacred\n---\n", "---\u2028iaip: sacred\u2028---\u2028", "Text.\n\n<!-- iaip: sacred -->\n",
     "> iaip: sacred\n", "- iaip: exclude\n", "---\ntext\n{iaip: sacred}\n---\n"],
)  # fmt: skip
def test_a_mark_that_stands_where_nobody_reads_it_denies(text: str) -> None:
    assert not allowed(text)
    assert not allowed(text.replace("\n", "\r\n"))


@pytest.mark.parametrize(
    "text",
    ["# iaip: how to\n", "The iaip: a program\n", "# A\n\n```yaml\niaip: sacred\n```\n", "iaipctl: a command\n",
     "---\n\nIt is iaip.\n\n---\n", "+++\ntitle = 'x'\n+++\n# A\n", "A classification = a set of classes\n",
     "---\ntitle: x\n---\n# A\n\niaip: x\n", "iaip. A name.\n"],
)  # fmt: skip
def test_a_note_that_only_speaks_of_marks_is_permitted(text: str) -> None:
    assert allowed(text)

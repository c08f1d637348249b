"""Our passages and titles beside those of QMD's own code, run by Node."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.paths import Home
from jobs.adapters.node import find_converter, find_node, find_qmd, node_environment
from jobs.adapters.token_counter import token_counter
from jobs.base_gguf import make
from jobs.dataset.passages import cut, title
from jobs.domain.errors import ToolFailed
from tests.contracts.tools import tool

pytestmark = pytest.mark.qmd

Ask = Callable[[dict[str, object]], list[list[object]]]

# One JSON line for each: {text} → [start, text][] in UTF-16 units; {text, title: name} → [[title]].
# With `tokens` both passes are made, a token being a word or up to three other characters.
SCRIPT = """
import { createInterface } from "node:readline";
const store = await import(process.argv[2]);
const llm = await import(process.argv[3]);
const pieces = (text) => text.match(/[A-Za-z]+|[^A-Za-z]{1,3}/gsu) ?? [];
llm.setDefaultLlamaCpp({ tokenize: async (text) => pieces(text), detokenize: async (tokens) => tokens.join("") });
for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  let answer;
  if (asked.title) answer = [[store.extractTitle(asked.text, asked.title)]];
  else if (asked.tokens) answer = (await store.chunkDocumentByTokens(asked.text)).map((c) => [c.pos, c.text]);
  else answer = store.chunkDocument(asked.text, 2700, 405, 600).map((c) => [c.pos, c.text]);
  console.log(JSON.stringify(answer));
}
"""


def count_tokens(text: str) -> int:
    return len(re.findall(r"[A-Za-z]+|[^A-Za-z]{1,3}", text, re.DOTALL))


@pytest.fixture(scope="module")
def qmd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    try:
        node = find_node(os.environ.get("IAIP_TEST_NODE", ""))
        package = find_qmd(os.environ.get("IAIP_TEST_QMD", ""))
    except ToolFailed as missing:
        pytest.skip(missing.message)
    script = tmp_path_factory.mktemp("qmd") / "ask.mjs"
    script.write_text(SCRIPT)
    argv = [str(node), str(script), str(package / "dist" / "store.js"), str(package / "dist" / "llm.js")]
    process = subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=node_environment({}), encoding="utf-8"
    )
    assert process.stdin is not None and process.stdout is not None

    def ask(question: dict[str, object]) -> list[list[object]]:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(question) + "\n")
        process.stdin.flush()
        answer: list[list[object]] = json.loads(process.stdout.readline())
        return answer

    yield ask
    process.stdin.close()
    process.wait(timeout=20)


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def ours(text: str, by_tokens: bool) -> list[list[object]]:
    passages = cut(text, count_tokens if by_tokens else None)
    for passage in passages:
        assert text[passage.start : passage.start + len(passage.text)] == passage.text
    return [[units(text[: passage.start]), passage.text] for passage in passages]


def manuals() -> list[Path]:
    try:
        package = find_qmd(os.environ.get("IAIP_TEST_QMD", ""))
    except ToolFailed:
        return []
    return sorted(package.parents[1].rglob("*.md"))


def test_the_manuals_of_the_installed_packages_are_cut_and_named_as_qmd_does(qmd: Ask) -> None:
    assert len(manuals()) > 100
    for path in manuals():
        text = path.read_text("utf-8", errors="ignore")
        assert ours(text, False) == qmd({"text": text}), path
        assert ours(text, True) == qmd({"text": text, "tokens": True}), path
        assert [[title(text, path.name)]] == qmd({"text": text, "title": path.name}), path


LINES = st.sampled_from(
    [
        "# One", "## Two", "### Three", "#### Four", "##### Five", "###### Six", "####### Seven", "#", "##\u00a0Odd",
        "```", "```python", "~~~", "---", "***", "___ ", "---\u2003", "", "", "", "- item", "* item", "-\ufeff",
        "1. one", "22. two", "٣. three", "a line of prose that goes on for a while and then some more to fill it",
        "word " * 60, "x" * 700, "😀" * 300, "é" * 400, "a😀" * 350, "\r", "tab\tbed", "\x1c- odd", "\x85", "\u2028- x",
    ]
)  # fmt: skip
DOCUMENTS = st.lists(LINES, max_size=120).map("\n".join)
ANYTHING = st.text(st.characters(codec="utf-8"), max_size=60).flatmap(
    lambda piece: st.integers(1, 200).map(lambda times: piece * times)
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(text=DOCUMENTS | ANYTHING)
def test_any_text_is_cut_as_qmd_cuts_it(qmd: Ask, text: str) -> None:
    assert ours(text, False) == qmd({"text": text})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(text=DOCUMENTS | ANYTHING.filter(bool))
def test_a_passage_of_too_many_tokens_is_cut_again_as_qmd_does(qmd: Ask, text: str) -> None:
    assert [row for row in ours(text, True) if row[1]] == qmd({"text": text, "tokens": True})


DENSE = (
    "# 冰路\n\n" + "春天河里的冰慢慢化开。老船停在木屋旁边等着下水。" * 140,
    "# API\n\n```\n" + "".join(f'{{"a{i}":[{i},{i + 1},0x{i:x}],"b":"{i}/{i}"}},\n' for i in range(300)) + "```\n",
    "# Tokens\n\n" + "[MASK][SEP][CLS] " * 300,
)
WITH_ITS_MODEL = """
import { createInterface } from "node:readline";
const store = await import(process.argv[2]);
const { LlamaCpp, setDefaultLlamaCpp } = await import(process.argv[3]);
setDefaultLlamaCpp(new LlamaCpp({ embedModel: process.argv[4] }));
for await (const line of createInterface({ input: process.stdin })) {
  const { text } = JSON.parse(line);
  console.log(`ANSWER${JSON.stringify((await store.chunkDocumentByTokens(text)).map((c) => [c.pos, c.text]))}`);
}
process.exit(0);
"""


@pytest.mark.ml
@pytest.mark.slow
def test_text_dense_in_tokens_is_cut_by_the_bases_tokenizer_as_qmd_cuts_it_with_the_model(tmp_path: Path) -> None:
    """The product counts with tokenizer.json, QMD with the GGUF that is made from the same base."""
    pytest.importorskip("tokenizers")
    home = Home(root=tmp_path / "home")
    node, package = tool(find_node, "IAIP_TEST_NODE"), tool(find_qmd, "IAIP_TEST_QMD")
    tool(lambda chosen: find_converter(), "IAIP_TEST_NONE")
    gguf = make(home, "embedding", "all-minilm-l6-v2", tmp_path)
    counter = token_counter(home.base_models, "all-minilm-l6-v2")
    assert counter is not None
    script = tmp_path / "cut.mjs"
    script.write_text(WITH_ITS_MODEL)
    texts = [*DENSE, *(path.read_text("utf-8", errors="ignore") for path in manuals()[::40])]
    asked = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    argv = [str(node), str(script), str(package / "dist" / "store.js"), str(package / "dist" / "llm.js"), str(gguf)]
    told = subprocess.run(
        argv, input=asked, capture_output=True, env=node_environment({}), encoding="utf-8", timeout=200, check=True
    )
    answers = [json.loads(line.removeprefix("ANSWER")) for line in told.stdout.split("\n") if line.startswith("ANSWER")]
    for text, theirs in zip(texts, answers, strict=True):
        mine = cut(text, counter.count)
        assert [[units(text[: passage.start]), passage.text] for passage in mine] == theirs
    assert all(len(cut(text, counter.count)) > len(cut(text)) for text in DENSE)


TITLE_LINES = st.sampled_from(
    [
        "# One", "## Two", "#  \t spaced ", "#", "## ", "#\u00a0Hard space", "# 📝 Notes", "## Notes", "# Notes", "x",
        "", "### Three", "\ufeff# Marked", "# a\u2028# b", "# trailing\ufeff", "#\x85odd", "x # no",
    ]
)  # fmt: skip
NAMES = st.sampled_from(["a.md", "b/c.MD", "x.y.md", "no-extension", ".md", "d/.hidden.md", "a.b/c"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(TITLE_LINES, max_size=8), end=st.sampled_from(["\n", "\r\n", "\r"]), name=NAMES)
def test_a_title_is_found_as_qmd_finds_it(qmd: Ask, lines: list[str], end: str, name: str) -> None:
    text = end.join(lines)
    assert [[title(text, name)]] == qmd({"text": text, "title": name})

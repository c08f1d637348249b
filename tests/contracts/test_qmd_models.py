"""The models of real QMD: found under its names, noticed when another comes, refused in words, never fetched."""

from __future__ import annotations

import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("gguf")

from jobs.adapters.qmd_arm import QmdArm
from jobs.adapters.qmd_command import QmdCommand
from jobs.adapters.qmd_index import embedding_fingerprint, index_facts
from jobs.adapters.qmd_models import cached_name
from jobs.adapters.qmd_process import QmdTools
from jobs.domain.artifacts import SearchModels
from jobs.domain.errors import BadInput, IaipError, ToolFailed
from tests.contracts.asking import no_progress, query
from tests.fakes.tiny_gguf import write_tiny_bert

pytestmark = pytest.mark.qmd


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


def test_every_failure_carries_a_remedy(tools: QmdTools, configuration: Path, index: Path) -> None:
    with pytest.raises(IaipError) as failed:
        QmdArm(tools, configuration, index, SearchModels(embed="hf:a/b:Q4_K_M"))
    assert failed.value.remedy

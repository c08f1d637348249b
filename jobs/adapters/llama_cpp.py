"""The Exporter: llama.cpp's official converter, the quantiser of QMD's own llama.cpp, and parity by its runtime."""

from __future__ import annotations

import hashlib
import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

from config.settings import GateSettings
from jobs.adapters.chat_tokenizer import HuggingFaceChat
from jobs.adapters.expansion_rows import prompt_tokens
from jobs.adapters.gguf_files import check_gguf
from jobs.adapters.gguf_probe import Forced, GgufProbe
from jobs.adapters.llama_quantise import FTYPES
from jobs.adapters.model_directory import check_exportable, has_dense_modules, pooling_of
from jobs.adapters.node import find_dependency, package_version, project_root
from jobs.adapters.processes import clean_environment, run_to_end
from jobs.adapters.qmd_models import served_tokens
from jobs.adapters.reference_model import ReferenceEmbedder, ReferenceGenerator
from jobs.domain.artifacts import Parity, Quantisation
from jobs.domain.errors import ToolFailed
from jobs.domain.parity import Embedded, Generated, Pooling, embedding_parity, generation_parity
from jobs.domain.prompts import expansion_message
from jobs.publish import STAGE_PREFIX, sweep_stages

ANSWER_TOKENS = 24

_POOLING_NAMES = {0: "none", 1: "mean", 2: "cls", 3: "last", 4: "rank"}
_NPM_PLATFORMS = {
    ("linux", "x86_64"): "linux-x64",
    ("linux", "aarch64"): "linux-arm64",
    ("darwin", "arm64"): "mac-arm64-metal",
    ("darwin", "x86_64"): "mac-x64",
}
_SETUP = "Run `make install` again; if it stays, `iaipctl queue retry` the job and report the message."


class LlamaCppExporter:
    """``converter`` is llama.cpp's folder with convert_hf_to_gguf.py, conversion/ and gguf-py/; ``timeout`` is in
    seconds for each child process. Raises ToolFailed if QMD's llama.cpp is missing."""

    def __init__(
        self, *, converter: Path, node: Path, qmd_package: Path, gate: GateSettings, timeout: float = 3600.0
    ) -> None:
        self._converter = converter
        self._library = find_dependency(qmd_package, "node-llama-cpp")
        self._qmd = qmd_package
        self._probe = GgufProbe(node, self._library, timeout)
        self._gate = gate
        self._timeout = timeout

    def tool_version(self) -> str:
        """See Exporter."""
        converter = _digest_of_sources(self._converter)
        runtime = package_version(self._library)
        quantiser = _quantiser_version(self._qmd)
        return f"converter-{converter} transformers-{version('transformers')} node-llama-cpp-{runtime} {quantiser}"

    def export(self, model: Path, quantisation: Quantisation, gguf: Path) -> None:
        """See Exporter. ``gguf`` appears whole and checked, or not at all."""
        check_exportable(model)
        gguf.parent.mkdir(parents=True, exist_ok=True)
        sweep_stages(gguf.parent)  # a killed export leaves gigabytes
        with tempfile.TemporaryDirectory(prefix=f"{STAGE_PREFIX}export-", dir=gguf.parent) as name:
            work = Path(name)
            result = work / "result.gguf"
            if quantisation in FTYPES:
                self._convert(model, "f16", work / "whole.gguf")
                self._quantise(work / "whole.gguf", quantisation, result)
            else:
                self._convert(model, quantisation, result)
            check_gguf(result)
            result.replace(gguf)

    def embedding_parity(self, model: Path, gguf: Path, quantisation: Quantisation, passages: Sequence[str]) -> Parity:
        """See Exporter. A passage is cut where QMD would cut it for this file. One that spells out a special token is
        left out: QMD reads it as plain text, sentence-transformers as the token itself, whatever the file holds."""
        header = check_gguf(gguf)
        reference = ReferenceEmbedder(model)
        limit = min(reference.longest, served_tokens(header))
        plain = [text for text in passages if not any(token in text for token in reference.special_tokens)]
        texts = [reference.cut(text, limit) for text in plain]
        with ThreadPoolExecutor(1) as beside:  # a process of its own, and as slow as the reference
            exported = beside.submit(self._probe.embed, gguf, texts)
            vectors = reference.vectors(texts) if texts else []
        trained = [
            Embedded(tokens=reference.tokens(text), vector=vector) for text, vector in zip(texts, vectors, strict=True)
        ]
        kind = int(header.of_architecture("pooling_type") or 0)
        return embedding_parity(
            trained,
            exported.result(),
            Pooling(trained=pooling_of(model), exported=_POOLING_NAMES.get(kind, str(kind))),
            least_cosine=self._gate.parity_f16 if quantisation == "f16" else self._gate.parity_q8_0,
            least_overlap=self._gate.parity_overlap,
        )

    def generation_parity(self, model: Path, gguf: Path, quantisation: Quantisation, queries: Sequence[str]) -> Parity:
        """See Exporter. The prompts trained on must be those QMD serves with this file, token by token; then
        both sides are asked for the next token all along the trained model's own greedy answer."""
        check_gguf(gguf)
        reference, chat = ReferenceGenerator(model), HuggingFaceChat(model)
        served = self._probe.serve(gguf, [expansion_message(query) for query in queries])
        answers = [reference.continuation(prompt, ANSWER_TOKENS) for prompt in served]
        forced = [
            Forced(tokens=prompt + answer[:-1], start=len(prompt) - 1)
            for prompt, answer in zip(served, answers, strict=True)
        ]
        trained = [
            Generated(tokens=tuple(prompt_tokens(query, chat)), greedy=answer)
            for query, answer in zip(queries, answers, strict=True)
        ]
        exported = [
            Generated(tokens=prompt, greedy=greedy)
            for prompt, greedy in zip(served, self._probe.next_tokens(gguf, forced), strict=True)
        ]
        least = self._gate.parity_generation_q4 if quantisation == "q4_k_m" else self._gate.parity_generation
        return generation_parity(trained, exported, least_agreement=least)

    def _convert(self, model: Path, outtype: str, result: Path) -> None:
        dense = ("--sentence-transformers-dense-modules",) if has_dense_modules(model) else ()
        # Its own gguf package must win over the one from PyPI, in this child alone.
        packages = f"{self._converter / 'gguf-py'}:{self._converter}"
        script = str(self._converter / "convert_hf_to_gguf.py")
        run_to_end(
            [sys.executable, script, str(model.absolute()), "--outtype", outtype, "--outfile", str(result), *dense],
            name="the converter",
            environment=clean_environment({"PYTHONPATH": packages, "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}),
            timeout=self._timeout,
            cwd=result.parent,
            remedy="Check that llama.cpp can convert this architecture, or choose another base in config.toml.",
        )

    def _quantise(self, source: Path, quantisation: str, result: Path) -> None:
        """By the library that QMD loads; by llama-quantize from PATH where there is no such library."""
        library, program = _find_libllama(self._qmd), shutil.which("llama-quantize")
        if library:
            ftype = str(FTYPES[quantisation])
            module = "jobs.adapters.llama_quantise"
            argv = [sys.executable, "-m", module, str(library), str(source), str(result), ftype]
        elif program:
            argv = [program, str(source), str(result), quantisation.upper()]
        else:
            raise ToolFailed("QMD's llama.cpp library was not found, nor llama-quantize on PATH", remedy=_SETUP)
        run_to_end(
            argv,
            name="the quantiser",
            environment=clean_environment({"PYTHONPATH": str(project_root())}),
            timeout=self._timeout,
            cwd=result.parent,
            remedy="Put llama.cpp's llama-quantize on PATH, or set the quantisation to q8_0 in config.toml.",
        )


def _find_libllama(qmd: Path) -> Path | None:
    """libllama as npm brought it for this platform, such as ``libllama.b10361.so``."""
    name = _NPM_PLATFORMS.get((sys.platform, platform.machine()))
    if name is None:
        return None
    try:
        binaries = find_dependency(qmd, f"@node-llama-cpp/{name}") / "bins" / name
    except ToolFailed:
        return None
    suffix = "dylib" if sys.platform == "darwin" else "so"
    return next(iter(sorted(binaries.glob(f"libllama.*{suffix}"))), None)


def _quantiser_version(qmd: Path) -> str:
    library, program = _find_libllama(qmd), shutil.which("llama-quantize")
    if library:
        return library.name
    return f"llama-quantize-{_digest_of_files([Path(program)])}" if program else "no-quantiser"


def _digest_of_sources(converter: Path) -> str:
    folders = (converter / "conversion", converter / "gguf-py" / "gguf")
    files = [converter / "convert_hf_to_gguf.py", *(file for folder in folders for file in sorted(folder.glob("*.py")))]
    return _digest_of_files(files)


def _digest_of_files(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    try:
        for file in files:
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
    except OSError as error:
        raise ToolFailed(f"{error.filename} cannot be read", remedy=_SETUP) from error
    return digest.hexdigest()[:12]

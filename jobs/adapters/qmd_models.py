"""Where the models are that a QMD configuration names, so that QMD is only started with models that are here.

QMD downloads what is missing (or hangs without a network) and deletes a file that is not a GGUF. So every model is
looked up and checked first.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jobs.adapters.gguf_files import GgufHeader, check_gguf
from jobs.domain.artifacts import SearchModels
from jobs.domain.errors import ToolFailed

# QMD 2.8.3, its llm module.
DEFAULT_MODELS = SearchModels(
    embed="hf:ggml-org/embeddinggemma-300M-GGUF/embeddinggemma-300M-Q8_0.gguf",
    generate="hf:tobil/qmd-query-expansion-1.7B-gguf/qmd-query-expansion-1.7B-q4_k_m.gguf",
    rerank="hf:ggml-org/Qwen3-Reranker-0.6B-Q8_0-GGUF/qwen3-reranker-0.6b-q8_0.gguf",
)
_QMD_CONTEXT = 2048
_SPARE_TOKENS = 16


def model_cache(environment: Mapping[str, str]) -> Path:
    """Where QMD keeps downloaded models, given its environment."""
    cache = environment.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path(environment.get("HOME", "/")) / ".cache") / "qmd" / "models"


def in_use(models: SearchModels) -> SearchModels:
    """The models that QMD uses: its defaults where none is named."""
    return SearchModels(
        embed=models.embed or DEFAULT_MODELS.embed,
        generate=models.generate or DEFAULT_MODELS.generate,
        rerank=models.rerank or DEFAULT_MODELS.rerank,
    )


def find_model(model: str, cache: Path) -> Path | None:
    """The file of a model (``hf:user/repository/file.gguf`` or a path), none if it is not on this machine."""
    name = cached_name(model) if model.startswith("hf:") else model
    if name is None:
        return None
    file = cache / name
    return file if file.is_file() else None


def require_model(model: str, cache: Path) -> Path:
    """The file of a model. Raises ToolFailed if it is not here, BadInput if it is not a usable GGUF."""
    file = find_model(model, cache)
    if file is None:
        remedy = "run `qmd pull` once, with a network" if model.startswith("hf:") else "put the file back"
        raise ToolFailed(
            f"the model {model} that QMD's configuration names is not on this machine",
            remedy=f"{remedy}, or name another model in QMD's index.yml",
        )
    check_gguf(file)
    return file


def context_environment(embedding_model: Path) -> dict[str, str]:
    """The settings under which QMD can embed any passage with this model.

    QMD cuts a text to the model's context and only then adds the two tokens around it. A model with a
    position table (BERT) has no row for them: llama.cpp aborts the process at a text of 511 or 512
    tokens. So QMD is told of a smaller context; the spare tokens are also for texts that grow a
    little when QMD turns cut tokens into text and back.
    """
    served = served_tokens(check_gguf(embedding_model))
    return {} if served == _QMD_CONTEXT else {"QMD_EMBED_CONTEXT_SIZE": str(served)}


def served_tokens(embedding_model: GgufHeader) -> int:
    """How many tokens of a text QMD embeds at most with this model, under ``context_environment``."""
    context = embedding_model.of_architecture("context_length")
    return context - _SPARE_TOKENS if isinstance(context, int) and context < _QMD_CONTEXT else _QMD_CONTEXT


def cached_name(model: str) -> str | None:
    """The file name under which QMD keeps ``hf:user/repository/[folders/]file[#branch]``.

    None for addresses without a file: only the network knows which one they stand for.
    Source: node-llama-cpp 3.20, ``parseModelUri``.
    """
    address, _, branch = model.removeprefix("hf:").partition("#")
    user, repository, *folders = address.split("/") if address.count("/") else (address, "")
    if not folders or ":" in repository:
        return None
    file = folders.pop()
    parts = ["hf", user]
    branches = [branch] if branch not in ("", "main") else []
    if branches or not _is_named_after(file, repository):
        parts += [repository, *branches]
    if folders and folders[-1].lower() == file.lower().removesuffix(".gguf"):
        folders.pop()
    if folders:
        parts.append("__".join(folders))
    return "_".join([*parts, file])


def _is_named_after(file: str, repository: str) -> bool:
    stem = repository.lower().removesuffix("-gguf")
    return stem != repository.lower() and file.lower().endswith(".gguf") and file.lower().startswith(stem)

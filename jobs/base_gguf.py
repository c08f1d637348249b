"""Makes the GGUF of an untrained base, for a QMD that has no model yet: `iaipctl models gguf NAME FILE`."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from config.load import load_settings
from config.paths import Home
from jobs.adapters.base_models import BaseModels
from jobs.adapters.llama_cpp import LlamaCppExporter
from jobs.adapters.node import find_converter, find_node, find_qmd
from jobs.domain.artifacts import Quantisation
from jobs.domain.errors import IaipError
from jobs.domain.examples import Target
from jobs.publish import publish_file


def make(home: Home, target: Target, name: str, folder: Path) -> Path:
    """Writes the base as ``<stem>-<sha12>.gguf`` in its target's quantisation into ``folder``; returns its path."""
    settings = load_settings(home.config_file)
    base = BaseModels(home.base_models).resolve(name, target)
    quantisation: Quantisation = (
        settings.embedding.quantisation if target == "embedding" else settings.expansion.quantisation
    )
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{base.stem}.draft.gguf"
    exporter = LlamaCppExporter(
        converter=find_converter(),
        node=find_node(settings.qmd.node),
        qmd_package=find_qmd(settings.qmd.package),
        gate=settings.gate,
    )
    exporter.export(Path(base.directory), quantisation, draft)
    with draft.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    final = folder / f"{base.stem}-{sha256[:12]}.gguf"
    publish_file(draft, final)
    return final


def main() -> int:
    root, target, name, folder = sys.argv[1:]
    assert target in ("embedding", "expansion")
    try:
        path = make(Home(root=Path(root)), "embedding" if target == "embedding" else "expansion", name, Path(folder))
    except IaipError as error:
        print(f"{error.message}\n  next: {error.remedy}", file=sys.stderr)
        return 1
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())

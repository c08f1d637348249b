"""Fetches a base model from the hub: only ever started by `iaipctl models fetch`, as a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

from jobs.adapters.model_directory import check_exportable
from jobs.domain.errors import BadInput
from jobs.publish import published_directory

WANTED = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "README.md"]


def fetch(repository: str, revision: str, place: Path) -> None:
    """Publishes the model's full weights (safetensors) and tokenizer at ``place``, whole or not at all.

    Raises BadInput for a repository without them, or of quantised weights, and whatever the hub's client raises.
    """
    from huggingface_hub import snapshot_download

    with published_directory(place, verify=check_exportable) as stage:
        snapshot_download(repository, revision=revision, local_dir=stage, allow_patterns=WANTED)


def main() -> int:
    repository, revision, place = sys.argv[1:]
    try:
        fetch(repository, revision, Path(place))
    except Exception as error:  # noqa: BLE001 - the boundary of a process: the hub's client raises many kinds
        remedy = f"; {error.remedy}" if isinstance(error, BadInput) else ""
        print(f"could not fetch {repository}: {type(error).__name__}: {error}{remedy}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A release is written whole, under its name, before anything can make it live."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from jobs.domain.artifacts import ReleaseMetadata
from jobs.domain.errors import BadInput
from jobs.index_file import check_index
from jobs.publish import published_directory
from jobs.releases import METADATA, Releases


def publish_release(
    releases: Releases,
    metadata: ReleaseMetadata,
    configuration: str,
    make_index: Callable[[Path], object],
    papers: Mapping[str, bytes] | None = None,
) -> Path:
    """Writes a whole release under its name, not live yet. A second call with the same name is a no-op.

    ``papers`` are further files by their path inside the release. Raises BadInput, with nothing at that name, if the
    index that was made is not whole; the models are, by their names, and are read before a switch.
    """
    directory = releases.directory(metadata.name)
    with published_directory(directory, verify=_require_whole_index) as stage:
        for part in ("models", "index", "qmd"):
            (stage / part).mkdir()
        ours = {Path(m.gguf): m.sha256 for m in metadata.targets.values() if Path(m.gguf).parent == releases.models}
        for source in ours:
            (stage / "models" / source.name).hardlink_to(source)
        make_index(_index(stage))
        (stage / "qmd" / "index.yml").write_text(configuration, "utf-8")
        for file, content in (papers or {}).items():
            (stage / file).parent.mkdir(exist_ok=True)
            (stage / file).write_bytes(content)
        (stage / METADATA).write_bytes(msgspec.json.format(msgspec.json.encode(metadata)))
        sums = "".join(f"{sha256}  models/{source.name}\n" for source, sha256 in ours.items())
        (stage / "SHA256SUMS").write_text(sums, "utf-8")
    return directory


def _require_whole_index(stage: Path) -> None:
    try:
        check_index(_index(stage))
    except BadInput as error:
        raise BadInput(
            f"the release's search index was not written whole ({error.message})",
            remedy="`iaipctl doctor disk`, then `iaipctl queue retry`; the live search is untouched",
        ) from error


def _index(release: Path) -> Path:
    return release / "index" / "index.sqlite"

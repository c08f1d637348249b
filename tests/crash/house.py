"""A small house on a disk: the owner's QMD files, releases with real indexes and configurations, and its repair."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from config.paths import QmdFiles
from jobs.adapters.qmd_config import read_collections, read_models, with_collections_of
from jobs.adoption import adopt
from jobs.domain.artifacts import LiveModel, ReleaseMetadata
from jobs.publish import STAGE_PREFIX, publish_file
from jobs.release_publishing import publish_release
from jobs.releases import Releases

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
CONFIGURATION = "collections:\n  notes:\n    path: /notes\n    pattern: '**/*.md'\nmodels:\n  embed: hf:none/{model}\n"


@dataclass(frozen=True)
class House:
    root: Path

    @property
    def files(self) -> QmdFiles:
        return QmdFiles(config=self.root / "qmd" / "index.yml", index=self.root / "cache" / "index.sqlite")

    @property
    def releases(self) -> Releases:
        return Releases(self.root / "home" / "releases", with_collections_of, lambda _: True)

    def bring_files(self) -> None:
        """What the owner has before anything of ours."""
        self.files.config.parent.mkdir()
        self.files.index.parent.mkdir()
        self.files.config.write_text(CONFIGURATION.format(model="v0"), "utf-8")
        write_index(self.files.index, "v0")

    def adopt(self) -> None:
        adopt(self.releases, self.files, NOW, {})

    def publish(self, *, target: str | None = None) -> str:
        """The next release, with a model of its own. ``target``: it was trained here, and nobody knows on what."""
        name = self.releases.next_name()
        content = f"GGUF of {name}".encode()
        digest = sha256(content).hexdigest()
        gguf = self.releases.models / f"small-{digest[:12]}.gguf"
        if not gguf.exists():
            draft = self.root / "home" / "draft.gguf"
            draft.write_bytes(content)
            publish_file(draft, gguf)
        model = LiveModel(base="small", gguf=str(gguf), sha256=digest)
        metadata = ReleaseMetadata(name=name, created_at=NOW, targets={"embedding": model}, target=target)
        text = CONFIGURATION.replace("hf:none/{model}", str(gguf))
        publish_release(self.releases, metadata, text, lambda path: write_index(path, name))
        return name

    def with_releases(self, count: int) -> None:
        """Adopted, and so many releases promoted and confirmed after it."""
        self.bring_files()
        self.adopt()
        for _ in range(count):
            self.releases.switch(name := self.publish())
            self.releases.confirm(name)

    def assert_sound(self) -> None:
        """One live release that answers; every release whole; nothing left over."""
        releases = self.releases
        live = releases.live()
        assert live is not None and live in releases.names(), f"{live} is live and not there"
        for name in releases.names():
            assert releases.damage(name) is None
            assert read_index(releases.directory(name) / "index" / "index.sqlite") == name
            named = {target.gguf for target in releases.release(name).metadata.targets.values()} or {"hf:none/v0"}
            assert understood(releases.directory(name) / "qmd" / "index.yml") == (named, ["notes"])
            assert releases.release(name).state in ("live", "previous", "rolled-back")
        assert releases.release(live).state == "live"
        assert read_index(self.files.index) == live, "the owner's index is not the live one"
        assert self.files.config.read_bytes() == (releases.directory(live) / "qmd" / "index.yml").read_bytes()
        assert self.left_over() == []

    def assert_answers(self) -> None:
        """What is live, if anything is, is whole: also before any repair."""
        live = self.releases.live()
        if live is not None:
            assert self.releases.damage(live) is None
            assert read_index(self.releases.directory(live) / "index" / "index.sqlite") == live
            understood(self.releases.directory(live) / "qmd" / "index.yml")

    def left_over(self) -> list[Path]:
        return [path for path in self.root.rglob("*") if path.name.startswith(STAGE_PREFIX)]


_UNDERSTOOD: dict[bytes, tuple[set[str | None], list[str]]] = {}


def understood(configuration: Path) -> tuple[set[str | None], list[str]]:
    """The embedding model and the collections it names; the same text is parsed once."""
    content = configuration.read_bytes()
    if content not in _UNDERSTOOD:
        collections = [collection.name for collection in read_collections(configuration)]
        _UNDERSTOOD[content] = {read_models(configuration).embed}, collections
    return _UNDERSTOOD[content]


def write_index(path: Path, name: str) -> None:
    with closing(sqlite3.connect(path)) as index:
        index.execute("CREATE TABLE documents (doc)")
        index.execute("INSERT INTO documents VALUES (?)", (name,))
        index.commit()


def read_index(path: Path) -> str:
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as index:
        return str(index.execute("SELECT doc FROM documents").fetchone()[0])

"""Models, checkpoints, exported files and releases."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

Quantisation = Literal["f16", "q8_0", "q4_k_m"]


class BaseModel(Struct, frozen=True, kw_only=True):
    """An unquantised base in Hugging Face layout (safetensors, tokenizer) on this machine.

    ``name`` is the one in config.toml; ``digest`` names its bytes.
    """

    name: str
    directory: str
    digest: str
    kind: Literal["embedding", "expansion"]

    @property
    def stem(self) -> str:
        """What files made from it are called, before their digest: ``name`` may be a directory's path or hold a slash.

        QMD chooses its prompts by the path of the file it serves, so training goes by this and not by the name.
        """
        return self.name.rstrip("/").rpartition("/")[2]


class Progress(Struct, frozen=True, kw_only=True):
    """One report of a running training. ``rate`` is in ``unit`` per second, ``eta`` in seconds."""

    step: int
    steps: int
    loss: float
    rate: float
    unit: Literal["pairs", "tokens"]
    eta: float
    note: str = ""


class TrainedModel(Struct, frozen=True, kw_only=True):
    """A trained, merged model in Hugging Face layout. ``facts`` go into the release's metadata.

    The train stage adds what it was made with: ``base`` is the base model's digest, ``weights`` one of all
    safetensors, ``recipe`` as it was followed, ``tools`` the versions of the libraries that took part.
    """

    directory: str
    steps: int
    seconds: float
    final_loss: float
    facts: dict[str, str]
    base: str = ""
    weights: str = ""
    recipe: dict[str, Any] = {}
    tools: dict[str, str] = {}


class Parity(Struct, frozen=True, kw_only=True):
    """How faithfully a GGUF computes what the trained model computes. ``problems`` is empty when it may be used.

    ``measures``: figures by name; beside ``cosine_min`` stands as ``cosine_min_least`` what was asked of it.
    """

    measures: dict[str, float]
    problems: tuple[str, ...]


class ExportedModel(Struct, frozen=True, kw_only=True):
    """A GGUF in a content-addressed place: its file name ends in 12 digits of its ``sha256``."""

    gguf: str
    sha256: str
    quantisation: Quantisation
    parity: Parity


class SearchModels(Struct, frozen=True, kw_only=True):
    """The models QMD's configuration names: ``hf:`` addresses or absolute paths; none: QMD's default."""

    embed: str | None = None
    generate: str | None = None
    rerank: str | None = None


class LiveModel(Struct, frozen=True, kw_only=True):
    """One target's model in a release."""

    base: str
    gguf: str
    sha256: str


class Gain(Struct, frozen=True, kw_only=True):
    """What the verdict measured when the release was promoted."""

    metric: str
    delta: float
    low: float
    high: float


class SourcesFile(Struct, frozen=True, kw_only=True):
    """The record of what a model was made from: a file of the release, and its SHA-256."""

    file: str
    sha256: str


class Making(Struct, frozen=True, kw_only=True):
    """What one target's model was made from and with. It travels with the model into the releases that keep it.

    ``base`` and ``weights`` are digests of files, ``merkle_root`` is of the dataset's rows, ``consent`` the revision
    it was built under and ``consents`` the grants it stands on (``record@revision``), ``classes`` its sources by class.
    """

    run: int
    dataset: str
    merkle_root: str
    base: str
    weights: str
    intensity: str
    recipe: dict[str, Any]
    tools: dict[str, str]
    consent: str
    consents: tuple[str, ...]
    attributions: tuple[str, ...]
    classes: dict[str, int]


class ReleaseMetadata(Struct, frozen=True, kw_only=True):
    """``training-metadata.json``: what the release is and what it was made from."""

    schema: str = "iaip.release/1"
    name: str
    created_at: datetime
    targets: dict[str, LiveModel]
    run: int | None = None
    target: str | None = None
    dataset: str | None = None
    gain: Gain | None = None
    tools: dict[str, str] = {}
    training: dict[str, str] = {}
    sources: dict[str, SourcesFile] = {}
    """By target, for those that were trained: here, or in a release that this one takes the model over from."""
    made: dict[str, Making] = {}
    """For the same targets."""


ReleaseState = Literal["live", "previous", "trial", "rolled-back", "withdrawn"]

"""The settings, typed and frozen. Their defaults and their documentation are in defaults.toml."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Positive = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Chance = Annotated[float, Meta(gt=0.0, lt=1.0)]
Seconds = Annotated[float, Meta(gt=0.0)]
Rate = Annotated[float, Meta(gt=0.0)]
Tuned = Annotated[float, Meta(gt=0.0, le=1.0)]
Name = Annotated[str, Meta(pattern=r"\S")]
Rest = Annotated[float, Meta(ge=0.0, le=0.9)]
Hours = Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$")]


class QmdSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    config: str
    index: str
    package: str
    node: str
    timeout: Seconds
    single_thread: bool


class WatchSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    quiet: Seconds
    at_most: Seconds
    scan_every: Seconds
    poll_every: Seconds
    canary_every: Seconds
    largest_document: Positive
    excluded_folders: list[str]


class ScheduleSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    window: str
    new_pairs: Positive
    new_expansions: Positive
    targets: list[Literal["embedding", "expansion"]]


class DatasetSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    minimum_pairs: Positive
    minimum_expansions: Positive
    development_share: Share
    test_share: Share
    most_test_queries: Positive
    most_expansion_queries: Positive
    seed: int


class EmbeddingRecipe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    base: Name
    epochs: Positive
    batch_size: Positive
    learning_rate: Rate
    warmup_share: Share
    max_tokens: Positive
    precision: Literal["auto", "float32", "bfloat16"]
    hard_negatives: Annotated[int, Meta(ge=0)]
    negative_margin: Share
    scale: Rate
    average_weights: Annotated[list[Tuned], Meta(min_length=1)]
    checkpoint_steps: Positive
    most_pairs: Positive
    curated_repeats: Positive
    quantisation: Literal["f16", "q8_0"]


class ExpansionRecipe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    base: Name
    epochs: Positive
    batch_size: Positive
    learning_rate: Rate
    warmup_share: Share
    max_tokens: Positive
    precision: Literal["auto", "float32", "bfloat16"]
    rank: Positive
    alpha: Positive
    checkpoint_steps: Positive
    most_rows: Positive
    quantisation: Literal["f16", "q8_0", "q4_k_m"]


class GateSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    alpha: Chance
    guard_margin: Share
    fewest_queries: Positive
    weak_below: Share
    strong_above: Share
    parity_f16: Share
    parity_q8_0: Share
    parity_overlap: Share
    slowest_ratio: Rate
    parity_generation: Share
    parity_generation_q4: Share


class DiskSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    reserve: Annotated[int, Meta(ge=0)]
    keep_releases: Annotated[int, Meta(ge=0)]
    keep_runs: Positive


class ReleaseSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    trial_queries: Positive


class GovernorSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    sample_every: Seconds
    quiet_hours: list[Hours]
    while_in_use: Literal["run", "slow", "pause"]
    on_battery: Literal["run", "slow", "pause"]
    rest: Rest
    rest_unknown: Rest
    longest_pause: Seconds
    segment: Annotated[float, Meta(ge=0.0)]
    cool_down: Annotated[float, Meta(ge=0.0)]


class ConfinementSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    where_none: Literal["refuse", "all-public"]


class PageSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    port: Annotated[int, Meta(ge=0, le=65535)]


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything an owner can set, by section of ``config.toml``."""

    qmd: QmdSettings
    watch: WatchSettings
    schedule: ScheduleSettings
    dataset: DatasetSettings
    embedding: EmbeddingRecipe
    expansion: ExpansionRecipe
    gate: GateSettings
    disk: DiskSettings
    release: ReleaseSettings
    governor: GovernorSettings
    confinement: ConfinementSettings
    page: PageSettings

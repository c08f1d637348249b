"""What a run will write, from its recipe: more for more, never less than nothing, and only what is still ahead."""

from __future__ import annotations

from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from config.load import load_settings
from jobs.domain.room import STAGES, ModelShape, Room, run_parts, still_needed

SETTINGS = load_settings(Path("/nonexistent/config.toml"))
RECIPES = st.sampled_from([SETTINGS.embedding, SETTINGS.expansion])
sizes = st.integers(0, 10**11)
shapes = st.builds(
    lambda projections, rest, sides, beside: ModelShape(
        parameters=projections + rest,
        weights=2 * (projections + rest),
        beside=beside,
        projections=projections,
        sides=sides,
    ),
    st.integers(1, 10**10),
    st.integers(1, 10**9),
    st.integers(1, 10**6),
    st.integers(0, 10**8),
)
SMOLLM2 = ModelShape(parameters=134515008, weights=269060552, beside=3524594, projections=106168320, sides=305280)


@given(shapes, RECIPES, sizes)
def test_every_stage_that_writes_is_counted_and_nothing_is_negative(shape, recipe, index):
    parts = run_parts(shape, recipe, index)
    assert {part.stage for part in parts} == set(STAGES)
    assert all(part.size >= 0 for part in parts)


@given(shapes, RECIPES, sizes, sizes)
def test_a_larger_index_needs_more_room(shape, recipe, index, more):
    def total(size: int) -> int:
        return still_needed(run_parts(shape, recipe, size), "baseline", {})

    assert total(index) <= total(index + more)


@given(shapes, RECIPES, sizes, st.dictionaries(st.sampled_from(STAGES), sizes))
def test_less_is_needed_the_further_a_run_has_come(shape, recipe, index, written):
    parts = run_parts(shape, recipe, index)
    needed = [still_needed(parts, stage, written) for stage in STAGES]
    assert needed == sorted(needed, reverse=True) and needed[-1] >= 0
    assert all(some <= still_needed(parts, stage, {}) for some, stage in zip(needed, STAGES, strict=True))


@given(sizes, sizes, sizes)
def test_what_is_missing_is_exactly_what_has_to_be_freed(needed, free, reserve):
    room = Room(needed=needed, free=free, reserve=reserve)
    assert Room(needed=needed, free=free + room.missing, reserve=reserve).missing == 0
    assert room.missing == 0 or Room(needed=needed, free=free + room.missing - 1, reserve=reserve).missing == 1


def test_a_merged_lora_is_as_large_as_it_was_measured():
    """SmolLM2 merged: 481,396,992 bytes of weights, 3,524,559 beside them. Its adapter of rank 16: 4.88 M."""
    [model] = [part for part in run_parts(SMOLLM2, SETTINGS.expansion, 0) if part.what == "trained model"]
    assert abs(model.size / (481_396_992 + 3_524_559) - 1) < 0.01


def test_a_firm_rank_costs_checkpoints_but_no_larger_model():
    higher = msgspec.structs.replace(SETTINGS.expansion, rank=64)
    before, after = ({part.what: part.size for part in run_parts(SMOLLM2, r, 0)} for r in (SETTINGS.expansion, higher))
    assert after["checkpoints: weights and optimizer"] == 4 * before["checkpoints: weights and optimizer"]
    assert after["trained model"] == before["trained model"]

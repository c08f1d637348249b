"""A smaller plan asks less of the machine, and says so."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.load import load_settings
from jobs.domain.recipe import SMALLEST_BATCH, facts_of_smaller, plan_for_baseline, smaller

SETTINGS = load_settings(Path("absent.toml"))
recipes = st.sampled_from([SETTINGS.embedding, SETTINGS.expansion])


@given(recipes, st.integers(1, 512))
def test_a_smaller_recipe_differs_in_its_batch_alone(recipe, batch):
    full = msgspec.structs.replace(recipe, batch_size=batch)
    used = smaller(full)
    assert msgspec.structs.replace(used, batch_size=batch) == full
    assert used.batch_size == max(SMALLEST_BATCH, batch // 4)


@pytest.mark.parametrize("recipe", [SETTINGS.embedding, SETTINGS.expansion])
def test_a_training_by_a_smaller_recipe_says_so_and_one_by_the_full_recipe_says_nothing(recipe):
    assert facts_of_smaller(recipe, recipe) == {}
    used = smaller(recipe)
    [told] = facts_of_smaller(recipe, used).values()
    assert f"{used.batch_size} instead of {recipe.batch_size}" in told


@pytest.mark.parametrize(
    ("score", "forced", "intensity", "word"),
    [
        (0.39, False, "firm", "under 0.4"),
        (0.40, False, "gentle", "middling"),
        (0.70, False, "gentle", "middling"),
        (0.71, False, "none", "already strong"),
        (0.71, True, "gentle", "asked for"),
        (0.39, True, "firm", "under 0.4"),
    ],
)
def test_the_plan_follows_the_measured_baseline(score, forced, intensity, word):
    gate = SETTINGS.gate
    plan = plan_for_baseline(score, weak_below=gate.weak_below, strong_above=gate.strong_above, forced=forced)
    assert plan.intensity == intensity
    assert f"{score:.3f}" in plan.reason and word in plan.reason

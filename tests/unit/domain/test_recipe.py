"""A smaller plan asks less of the machine, and says so."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.load import load_settings
from jobs.domain.recipe import SMALLEST_BATCH, facts_of_smaller, smaller

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

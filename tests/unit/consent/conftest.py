"""A place where nothing is said yet, and one where everything is personal."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.consent.place import Place
from tests.unit.dataset.sample import write_policy


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def personal(place: Place) -> Place:
    """Everything is personal."""
    write_policy(place.home, '[[rule]]\nplace = "kb"\nclassification = "personal"\n')
    return place

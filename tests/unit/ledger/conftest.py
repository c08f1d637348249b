"""A home with a ledger to come, and releases to know it by."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.paths import Home, QmdFiles
from jobs.adoption import adopt
from jobs.releases import Releases
from tests.unit.ledger.keeping import NOW


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(root=tmp_path)


@pytest.fixture
def releases(home: Home) -> Releases:
    found = Releases(home.releases, lambda live, _: live, lambda _: True)
    files = QmdFiles(config=home.root / "qmd" / "index.yml", index=home.root / "qmd" / "index.sqlite")
    adopt(found, files, NOW, {})
    return found

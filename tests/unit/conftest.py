"""A Mac whose tools are fakes that behave as recorded."""

from __future__ import annotations

import pytest

from tests.fakes.macos.machine import fake_machine


@pytest.fixture
def mac(tmp_path):
    with fake_machine(tmp_path / "mac") as found:
        yield found

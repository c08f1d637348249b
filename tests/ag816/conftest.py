"""The household in which a story was learnt is the one of the withdrawal tests."""

from __future__ import annotations

from tests.unit.withdrawal.conftest import built, house

__all__ = ["built", "house"]

"""The exported file against the trained model: every figure by its name, with the least that was asked of it."""

from __future__ import annotations

from daemon.web.wording import Wording
from jobs.domain.artifacts import Parity

LEAST = "_least"


def figures(parity: Parity, wording: Wording) -> list[tuple[str, str]]:
    """Name and value. ``cosine_min_least`` is no figure of its own: it stands behind ``cosine_min``."""
    measures = parity.measures
    return [
        (wording.told(f"parity.{name}", name), _told(value, measures.get(name + LEAST), wording))
        for name, value in measures.items()
        if not name.endswith(LEAST)
    ]


def _told(value: float, least: float | None, wording: Wording) -> str:
    return wording.brief(value) if least is None else f"{wording.brief(value)} (≥ {wording.brief(least)})"

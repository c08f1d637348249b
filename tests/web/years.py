"""A household of years: a thousand jobs, fifty releases, and a training under way."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tests.web.household import Household
from tests.web.machine import paced


def lived_for_years(folder: Path) -> Household:
    made = Household(folder)
    made.settle()
    made.live_through(190, promoted=50)
    made.training_now()
    made.classified()
    made.books.alerts.post("failed", "A job failed", "Next: see", made.now, about="embedding")
    for alert in made.books.alerts.unread()[-1:]:
        made.books.alerts.acknowledge(alert.id, made.now)
    paced(made.books, made.settings.governor, datetime.now(UTC))
    return made

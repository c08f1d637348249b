"""A candidate is judged, and goes live, against the release that its run measured as the baseline, or not at all."""

from __future__ import annotations

import msgspec

from jobs.domain.errors import Refused
from jobs.domain.results import BaselineResult
from jobs.releases import Releases
from jobs.wire import JobSpec


def require_still_live(spec: JobSpec, releases: Releases) -> None:
    """Raises Refused if another release is live by now. The run's own, on trial, is no other."""
    measured = msgspec.convert(spec.earlier["baseline"], BaselineResult).live
    live = releases.live()
    if live == measured or (live is not None and releases.release(live).metadata.run == spec.run):
        return
    raise Refused(
        f"{live} is live by now, and run {spec.run} measured {measured or 'another release'} as its baseline:"
        " the two cannot be compared",
        remedy=f"`iaipctl run {spec.target}` starts anew",
    )

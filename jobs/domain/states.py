"""The states of jobs and runs, and every move between them that is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class JobState(StrEnum):
    """One stage's work. ``queued`` waits for its turn; ``paused`` and ``quarantined`` wait for a person."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    QUARANTINED = "quarantined"


class RunState(StrEnum):
    """One trip of one target through the pipeline. How a done run ended is its RunOutcome."""

    ACTIVE = "active"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class RunOutcome(StrEnum):
    """How a done run ended. None of them is an error."""

    PROMOTED = "promoted"
    REJECTED = "rejected"
    CANNOT_TELL = "cannot-tell"
    NOT_ENOUGH = "not-enough"
    ALREADY_STRONG = "already-strong"
    ROLLED_BACK = "rolled-back"


# running → queued: the owner died or gave the job back at a checkpoint.
# running → quarantined: the machine restarted under it, twice.
# failed, cancelled, quarantined → queued: a retry. Done is for ever.
JOB_MOVES: Mapping[JobState, frozenset[JobState]] = MappingProxyType(
    {
        JobState.QUEUED: frozenset({JobState.RUNNING, JobState.PAUSED, JobState.CANCELLED}),
        JobState.RUNNING: frozenset(
            {
                JobState.DONE,
                JobState.FAILED,
                JobState.CANCELLED,
                JobState.PAUSED,
                JobState.QUEUED,
                JobState.QUARANTINED,
            }
        ),
        JobState.PAUSED: frozenset({JobState.QUEUED, JobState.CANCELLED}),
        JobState.DONE: frozenset(),
        JobState.FAILED: frozenset({JobState.QUEUED}),
        JobState.CANCELLED: frozenset({JobState.QUEUED}),
        JobState.QUARANTINED: frozenset({JobState.QUEUED, JobState.CANCELLED}),
    }
)

# failed, cancelled → active: one of the run's jobs is retried.
RUN_MOVES: Mapping[RunState, frozenset[RunState]] = MappingProxyType(
    {
        RunState.ACTIVE: frozenset({RunState.DONE, RunState.FAILED, RunState.CANCELLED}),
        RunState.DONE: frozenset(),
        RunState.FAILED: frozenset({RunState.ACTIVE}),
        RunState.CANCELLED: frozenset({RunState.ACTIVE}),
    }
)

FINISHED_JOB = frozenset({JobState.DONE, JobState.FAILED, JobState.CANCELLED})
"""Nothing more happens to these unless a person retries."""

OUTCOME_SENTENCES: Mapping[RunOutcome, str] = MappingProxyType(
    {
        RunOutcome.PROMOTED: "the candidate searched measurably better and is live",
        RunOutcome.REJECTED: "the candidate was rejected; the live search is untouched",
        RunOutcome.CANNOT_TELL: "the queries at hand cannot tell whether the candidate is better; nothing was changed",
        RunOutcome.NOT_ENOUGH: "there is too little to train on yet; nothing was changed",
        RunOutcome.ALREADY_STRONG: "the current search is already strong; nothing was trained",
        RunOutcome.ROLLED_BACK: "the new release failed its health check and was taken back",
    }
)


def may_move(before: JobState | RunState, after: JobState | RunState) -> bool:
    """Whether the move is in the tables above. A job's state never moves to a run's, nor the other way."""
    if isinstance(before, JobState):
        return isinstance(after, JobState) and after in JOB_MOVES[before]
    return isinstance(after, RunState) and after in RUN_MOVES[before]

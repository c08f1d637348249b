from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from jobs.domain.states import (
    FINISHED_JOB,
    JOB_MOVES,
    OUTCOME_SENTENCES,
    RUN_MOVES,
    JobState,
    RunOutcome,
    RunState,
    may_move,
)

job_states = st.sampled_from(JobState)
run_states = st.sampled_from(RunState)


def walk(state: JobState, choices: list[int]) -> list[JobState]:
    """Follows allowed moves, picking one by each number, until there is none."""
    path = [state]
    for choice in choices:
        moves = sorted(JOB_MOVES[path[-1]])
        if not moves:
            break
        path.append(moves[choice % len(moves)])
    return path


def test_every_state_has_its_row():
    assert set(JOB_MOVES) == set(JobState)
    assert set(RUN_MOVES) == set(RunState)
    assert set(OUTCOME_SENTENCES) == set(RunOutcome)


@given(job_states, run_states)
def test_a_job_never_moves_to_a_state_of_a_run_even_of_the_same_name(job, run):
    assert not may_move(job, run)
    assert not may_move(run, job)


@given(st.one_of(job_states, run_states))
def test_staying_is_not_a_move(state):
    assert not may_move(state, state)


@given(st.lists(st.integers(0, 5), max_size=30))
def test_a_job_is_done_only_from_running_and_then_for_ever(choices):
    path = walk(JobState.QUEUED, choices)
    for before, after in pairwise(path):
        assert may_move(before, after)
        assert after is not JobState.DONE or before is JobState.RUNNING
        assert before is not JobState.DONE


@given(job_states)
def test_every_job_that_is_not_done_can_still_be_run(state):
    reachable: set[JobState] = set()
    todo = [state]
    while todo:
        for move in JOB_MOVES[todo.pop()] - reachable:
            reachable.add(move)
            todo.append(move)
    assert (JobState.RUNNING in reachable) == (state is not JobState.DONE)


@given(job_states)
def test_a_finished_job_moves_only_by_a_retry(state):
    if state in FINISHED_JOB:
        assert JOB_MOVES[state] <= {JobState.QUEUED}


def test_a_run_ends_from_active_only():
    ends = {RunState.DONE, RunState.FAILED, RunState.CANCELLED}
    for before in RunState:
        assert {after for after in ends if may_move(before, after)} == (ends if before is RunState.ACTIVE else set())

"""Only a job's own faults count against it."""

from hypothesis import given
from hypothesis import strategies as st

from jobs.domain.endings import (
    MOST_ATTEMPTS,
    MOST_REBOOTS,
    OWN_FAULTS,
    UNKNOWN_BOOT,
    Ending,
    begins_as,
    ending_of_attempt,
    ending_under_dead_owner,
    fate,
)
from jobs.domain.states import JobState, may_move

endings = st.sampled_from(Ending)
counts = st.integers(0, 10)
wishes = st.sampled_from([None, "cancel", "pause", "stop"])
boots = st.sampled_from(["a", "b", UNKNOWN_BOOT])


@given(endings, counts, counts)
def test_every_ending_leads_where_a_running_job_may_go(ending, attempts, reboots):
    assert may_move(JobState.RUNNING, fate(ending, attempts=attempts, reboots=reboots))


@given(endings, counts, counts)
def test_a_job_fails_by_its_own_fault_alone_and_is_quarantined_by_restarts_alone(ending, attempts, reboots):
    state = fate(ending, attempts=attempts, reboots=reboots)
    assert state is not JobState.FAILED or ending in OWN_FAULTS
    assert state is not JobState.QUARANTINED or (ending is Ending.REBOOTED and reboots >= MOST_REBOOTS)


def test_crashes_are_tried_again_a_few_times():
    states = [fate(Ending.CRASHED, attempts=attempt, reboots=0) for attempt in range(1, MOST_ATTEMPTS + 1)]
    assert states == [JobState.QUEUED] * (MOST_ATTEMPTS - 1) + [JobState.FAILED]


@given(wishes, boots, boots)
def test_what_was_asked_for_counts_before_what_happened(wish, owner_boot, boot):
    ending = ending_under_dead_owner(wish, owner_boot=owner_boot, boot=boot)
    if wish is not None:
        assert ending is {"cancel": Ending.CANCELLED, "pause": Ending.PAUSED, "stop": Ending.STOPPED}[wish]
    else:
        restarted = owner_boot != boot and UNKNOWN_BOOT not in (owner_boot, boot)
        assert ending is (Ending.REBOOTED if restarted else Ending.ORPHANED)


@given(wishes)
def test_a_wish_that_came_too_late_for_one_job_holds_for_the_next(wish):
    expected = {"cancel": JobState.CANCELLED, "pause": JobState.PAUSED}.get(wish, JobState.QUEUED)
    assert begins_as(wish) is expected


@given(st.sampled_from([{}, {"crashed": True}, {"gave_back": True}, {"no_room": True}]))
def test_an_attempt_that_nobody_stopped_ended_by_itself_or_for_want_of_room(how):
    ending = ending_of_attempt(None, **how)
    assert (ending in OWN_FAULTS) == (not how or "crashed" in how)


@given(st.sampled_from(["cancel", "pause", "stop"]), st.booleans())
def test_a_wish_goes_before_a_full_disk(wish, no_room):
    assert ending_of_attempt(wish, no_room=no_room) is not Ending.NO_ROOM

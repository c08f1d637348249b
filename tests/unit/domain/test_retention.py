"""What is kept: nothing that is live, pinned, adopted or needed ever goes, and no more is kept by asking twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobs.domain.retention import (
    NeededRuns,
    RunFacts,
    StageDirectory,
    keep_datasets,
    keep_logs,
    keep_models,
    keep_releases,
    keep_stages,
    needed_runs,
    scratch_of,
)

release = st.integers(0, 40).map(lambda number: f"v{number}")
releases = st.frozensets(release)
states = st.sampled_from(["active", "done", "failed", "cancelled"])
runs = st.lists(
    st.builds(RunFacts, id=st.integers(1, 60), target=st.sampled_from(["embedding", "expansion"]), state=states),
    unique_by=lambda run: run.id,
)
some_runs = st.frozensets(st.integers(1, 60), max_size=4)
stages = st.lists(
    st.builds(
        StageDirectory,
        name=st.builds(
            lambda stage, number: f"{stage}-{number:016x}",
            st.sampled_from(["canary", "baseline", "train", "export", "validate"]),
            st.integers(0, 2**60),
        ),
        runs=some_runs,
        finished=st.booleans(),
    ),
    unique_by=lambda stage: stage.name,
)
needs = st.builds(NeededRuns, whole=some_runs, results=some_runs)
NOBODY = NeededRuns(whole=frozenset(), results=frozenset())


def test_the_newest_release_is_found_by_number_not_by_spelling():
    assert keep_releases(["v8", "v9", "v10", "v11"], protected=(), last=1) == {"v10", "v11"}


def test_the_very_newest_stays_even_withdrawn_so_that_no_number_is_given_twice():
    assert keep_releases(["v1", "v9", "v10"], protected=("v1",), withdrawn=("v10",), last=0) == {"v1", "v10"}


@given(releases, st.frozensets(release, max_size=4), st.frozensets(release, max_size=4), st.integers(0, 6))
def test_protected_and_adopted_releases_are_always_kept(names, protected, withdrawn, last):
    kept = keep_releases(names, protected=protected, withdrawn=withdrawn, last=last)
    newest = sorted(names, key=lambda name: int(name[1:]))[-1:]
    special = names & {"v0", *protected, *newest}
    assert special <= kept <= names
    assert len(kept - special) == min(last, len(names - special - withdrawn))


@given(releases, release, st.integers(0, 6))
def test_no_dropped_release_is_newer_than_a_kept_other(names, live, last):
    kept = keep_releases(names, protected={live}, last=last)
    dropped = [int(name[1:]) for name in names - kept]
    others = [int(name[1:]) for name in kept - {live, "v0"}]
    assert not dropped or not others or max(dropped) < min(others)


@given(releases, st.frozensets(release, max_size=4), st.frozensets(release, max_size=4), st.integers(0, 6))
def test_keeping_releases_twice_is_keeping_once_and_more_are_kept_by_a_larger_number(names, protected, withdrawn, last):
    kept = keep_releases(names, protected=protected, withdrawn=withdrawn, last=last)
    assert keep_releases(kept, protected=protected, withdrawn=withdrawn, last=last) == kept
    assert kept <= keep_releases(names, protected=protected, withdrawn=withdrawn, last=last + 1)


def test_a_withdrawn_release_is_not_kept_for_being_new():
    assert keep_releases(["v1", "v2", "v3", "v4"], protected=("v4",), withdrawn=("v3",), last=1) == {"v2", "v4"}


def test_names_that_are_not_ours_are_left_alone():
    assert keep_releases(["models", "v01", "notes v2", "v3", "v4"], protected=("v4",), last=0) == {
        *("models", "v01", "notes v2", "v4"),
    }
    assert keep_models(["mine.gguf", "b-0123456789ab.gguf"], used=()) == {"mine.gguf"}
    assert keep_datasets(["notes", "0123456789abcdef"], used=()) == {"notes"}
    foreign = StageDirectory(name="train-mine", runs=frozenset(), finished=True)
    assert keep_stages([foreign], NOBODY) == {"train-mine"} and scratch_of(foreign) == ()


@given(runs, st.integers(1, 4))
def test_active_runs_are_needed_whole_and_of_the_ended_only_the_newest_of_each_target(found, last):
    needed = needed_runs(found, last=last)
    by_id = {run.id: run for run in found}
    assert {run.id for run in found if run.state == "active"} <= needed.whole
    assert all(by_id[run].state == "done" for run in needed.results)
    for target in ("embedding", "expansion"):
        ended = sorted((run.id for run in found if run.target == target and run.state != "active"), reverse=True)
        assert {run for run in needed.all if by_id[run].target == target and by_id[run].state != "active"} == set(
            ended[:last]
        )


@given(runs, st.integers(1, 4))
def test_more_runs_are_needed_by_a_larger_number(found, last):
    fewer, more = needed_runs(found, last=last), needed_runs(found, last=last + 1)
    assert fewer.whole <= more.whole and fewer.results <= more.results


@given(stages, needs)
def test_no_stage_of_a_run_that_goes_on_is_dropped(found, needed):
    kept = keep_stages(found, needed)
    assert {stage.name for stage in found if stage.runs & needed.whole and stage.stage != "canary"} <= kept
    assert {stage.name for stage in found if stage.stage == "canary" and stage.finished} <= kept


@given(stages, needs)
def test_keeping_stages_twice_is_keeping_once(found, needed):
    kept = keep_stages(found, needed)
    assert keep_stages([stage for stage in found if stage.name in kept], needed) == kept


@given(stages, needs, some_runs)
def test_who_needs_more_keeps_more(found, needed, more):
    grown = NeededRuns(whole=needed.whole | more, results=needed.results)
    assert keep_stages(found, needed) <= keep_stages(found, grown)


@given(stages, some_runs)
def test_of_a_run_of_which_only_the_results_are_needed_the_finished_exports_stay(found, results):
    kept = keep_stages(found, NeededRuns(whole=frozenset(), results=results))
    assert {stage.name for stage in found if stage.name in kept and stage.stage != "canary"} == {
        stage.name for stage in found if stage.stage == "export" and stage.finished and stage.runs & results
    }


def test_checkpoints_go_as_soon_as_a_training_is_whole_and_not_before():
    name = "train-0123456789abcdef"
    assert "checkpoints" in scratch_of(StageDirectory(name=name, runs=frozenset({1}), finished=True))
    assert scratch_of(StageDirectory(name=name, runs=frozenset({1}), finished=False)) == ()


@given(st.sets(st.integers(1, 99)), st.sets(st.integers(1, 99)), st.integers(0, 9))
def test_logs_of_unfinished_jobs_stay_beside_the_newest(jobs, unfinished, last):
    kept = keep_logs(jobs, unfinished=unfinished, last=last)
    assert jobs & unfinished <= kept <= jobs
    assert set(sorted(jobs)[-last:] if last else []) <= kept
    assert keep_logs(kept, unfinished=unfinished, last=last) == kept

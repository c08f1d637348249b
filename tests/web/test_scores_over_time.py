"""What every release scored when it was judged, by date: from the verdicts, with what the interval means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.web.curves import Scored, course
from daemon.web.scores import scores
from tests.web.caller import owner
from tests.web.household import Household

SCORES = st.lists(
    st.builds(
        lambda at, before, value, less, more, kind, anew: Scored(
            name="v1", kind=kind, at=at, before=before, value=value, low=value - less, high=value + more, anew=anew
        ),
        st.floats(0, 2e9),
        *[st.floats(0, 1)] * 4,
        st.sampled_from(["embedding", "expansion"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=60,
)


@given(SCORES)
def test_it_is_drawn_inside_by_date_and_joined_only_where_it_compares(found) -> None:
    drawn = course(found, width=760, height=240)
    assert drawn is not None and len(drawn.marks) == len(found)
    for mark in drawn.marks:
        assert 0 <= mark.high <= mark.y <= mark.low <= 240 and 0 <= mark.before <= 240 and 44 <= mark.x <= 750
    assert [mark.x for mark in drawn.marks] == sorted(mark.x for mark in drawn.marks)
    assert all(0 <= tick.at <= 760 for tick in drawn.across) and 1 <= len(drawn.across) <= 5
    joined = sum(len(points.split()) - 1 for _, points in drawn.lines)
    kinds = {one.kind for one in found}
    first = [next(mark for mark in drawn.marks if mark.scored.kind == kind) for kind in kinds]
    cut = sum(mark.scored.anew for mark in drawn.marks if mark not in first)
    assert joined <= len(found) - len(kinds) and (
        len(set(drawn.marks)) < len(found) or joined == len(found) - len(kinds) - cut
    )


def test_nothing_is_drawn_of_nothing() -> None:
    assert course([], width=760, height=240) is None


def test_the_scores_are_those_of_the_verdicts(household: Household) -> None:
    found = scores(household.books, household.releases.all())
    assert [one.name for one in found] == ["v1", "v2"], "v0 is the owner's own and was never judged"
    [primary] = [group for group in household.judged("embedding", 0.12)[2].sets if group.kind == "primary"]
    for one in found:
        assert 0 <= one.low <= one.value <= one.high <= 1 and one.low - one.before <= one.high - one.before
        assert one.value > one.before and not one.anew
    assert found[0].at < found[1].at and primary.queries == 134


@pytest.mark.parametrize(("asked", "anew"), [("another query", True), ("a query", False)])
def test_where_other_queries_decided_there_is_a_cut(household: Household, asked, anew) -> None:
    household.asked = (asked,)
    household.live_through(1, promoted=1)
    found = scores(household.books, household.releases.all())
    assert [one.anew for one in found] == [False, False, anew]
    page = owner(household).get("/releases").body
    assert ('class="cut"' in page, "do not compare" in page) == (anew, anew)


def test_a_release_whose_verdict_is_gone_is_left_out(household: Household) -> None:
    with household.books.database.transaction() as connection:
        connection.execute("UPDATE job SET result = NULL, state = 'failed' WHERE stage = 'validate' AND run = 2")
    assert [one.name for one in scores(household.books, household.releases.all())] == ["v2"]


def test_the_page_tells_them_in_words_too(household: Household) -> None:
    [_, last] = scores(household.books, household.releases.all())
    page = owner(household).get("/releases").body
    assert "nDCG@10 of each release when it was judged" in page and f"{last.value:.3f}" in page
    assert f"{last.low:.3f} to {last.high:.3f}" in page
    assert "nDCG@10 de chaque version" in owner(household).get("/releases", Accept_Language="fr").body

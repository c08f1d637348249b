"""The training rows on the page: every one is shown, can be found, left out and taken back."""

from __future__ import annotations

import dataclasses
import html
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from daemon.web.reviewing import Reviewing
from jobs.dataset.left_out import LeftOut, leave_out, left_out
from jobs.dataset.proposals import Proposal, plain_lines, proposals
from jobs.domain.errors import Refused
from tests.web.caller import owner
from tests.web.household import Household


def newest(household: Household, target: str = "embedding") -> str:
    name = household.books.history.newest_dataset(target)
    assert name is not None
    return name


def rows(household: Household) -> list[Proposal]:
    return list(proposals(household.home.datasets / newest(household), "embedding", plain_lines))


def shown(body: str) -> list[str]:
    return re.findall(r'<li class="example[^"]*" id="row-([0-9a-f]{16})"', body)


def test_the_newest_dataset_of_each_target_is_offered(household: Household) -> None:
    body = owner(household).get("/rows").body
    assert body.index(f'href="/rows/{newest(household)}"') < body.index(
        f'href="/rows/{newest(household, "expansion")}"'
    )
    assert "4,200 rows from 360 notes." in body


def test_every_row_is_shown_once_page_by_page(household: Household) -> None:
    caller, path, seen = owner(household), f"/rows/{newest(household)}", []
    while path:
        body = caller.get(path).body
        seen += shown(body)
        found = re.search(r'href="([^"]+)" rel="next"', body)
        path = html.unescape(found.group(1)) if found else ""
    assert seen == [one.digest for one in rows(household)]


def test_a_row_tells_its_note_generator_class_and_consent(household: Household) -> None:
    body = owner(household).get(f"/rows/{newest(household)}").body
    first = rows(household)[0]
    item = body.partition(f'id="row-{first.digest}"')[2].partition("</li>")[0]
    assert first.row.query in item and first.text[:60] in item
    assert "notes/ice-road/2008-spring.md</a> · titles · personal (me@2) · to learn from" in item


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ("words=CANOE", lambda one: "canoe" in one.row.query),
        ("generator=link", lambda one: one.row.origin.generator == "link"),
        ("class=personal", lambda one: one.row.origin.classification == "personal"),
        (
            "note=" + quote("notes/ice-road/2008-spring.md"),
            lambda one: one.row.origin.document.path == "ice-road/2008-spring.md",
        ),
        ("words=nothing+like+it", lambda one: False),
    ],
)
def test_rows_are_found(household: Household, query: str, fits) -> None:
    wanted = [one.digest for one in rows(household) if fits(one)]
    body = owner(household).get(f"/rows/{newest(household)}?{query}").body
    assert shown(body) == wanted[:40]
    assert ("No such row." in body) == (not wanted)


def test_a_row_is_left_out_and_taken_back_where_it_was_seen(household: Household) -> None:
    caller, name, one = owner(household), newest(household), rows(household)[2]
    where = f"/rows/{name}?words=ice&generator=link"
    form = html.unescape(caller.get(where).body.partition(f'id="row-{one.digest}"')[2].partition('action="')[2])
    reply = caller.post(form.partition('"')[0])
    assert (reply.status, reply.headers["location"]) == (303, f"{where}#row-{one.digest}")
    assert list(left_out(household.home.left_out)) == [one.digest]
    assert left_out(household.home.left_out)[one.digest].dataset == name
    body = caller.get(where).body
    assert "left out from the next run on" in body and f'class="example left" id="row-{one.digest}"' in body
    back = html.unescape(body.partition(f'id="row-{one.digest}"')[2].partition('action="')[2]).partition('"')[0]
    assert caller.post(back).headers["location"] == f"{where}#row-{one.digest}"
    assert left_out(household.home.left_out) == {}
    assert "left out from the next run on" not in caller.get(where).body


def test_what_was_left_out_is_listed_in_full_even_when_its_dataset_is_gone(household: Household) -> None:
    one = rows(household)[2]
    leave_out(household.home.left_out, one.digest, LeftOut(dataset=newest(household)))
    leave_out(household.home.left_out, "0123456789abcdef", LeftOut(dataset="fedcba9876543210"))
    caller = owner(household)
    body = caller.get("/rows").body
    assert one.text[:60] in body
    assert "A row of a dataset that is not kept any more (0123456789abcdef)." in body
    assert caller.post("/rows/left-out/0123456789abcdef").headers["location"] == "/rows"
    assert list(left_out(household.home.left_out)) == [one.digest]


def test_only_a_row_of_the_dataset_can_be_left_out(household: Household) -> None:
    caller, name = owner(household), newest(household)
    for path in (f"/rows/{name}/0123456789abcdef", f"/rows/{name}/..", "/rows/0123456789abcdef/0123456789abcdef"):
        assert caller.post(path).status == 404
    assert caller.post("/rows/left-out/0123456789abcdef").status == 404
    assert not household.home.left_out.exists()


def test_a_damaged_dataset_is_said_and_the_page_goes_on(household: Household) -> None:
    (household.home.datasets / newest(household) / "development.jsonl").write_text("{")
    caller = owner(household)
    reply = caller.get(f"/rows/{newest(household)}?words=tea")
    assert reply.status == 409 and "cannot be read" in reply.body
    assert caller.get("/rows").status == 200


def test_a_dataset_that_may_not_be_opened_shows_no_row_and_lets_it_be_taken_back(household: Household) -> None:
    def locked(path: Path) -> Iterator[bytes]:
        raise Refused("its key is gone", remedy="none")

    one = rows(household)[2]
    leave_out(household.home.left_out, one.digest, LeftOut(dataset=newest(household)))
    reviewing = Reviewing(dataclasses.replace(household.house, lines=locked))
    assert [missed.proposal for missed in reviewing.overview()["missed"]] == [None]
    with pytest.raises(Refused):
        reviewing.sheet(newest(household), {}, 0)
    reviewing.take_back(one.digest)
    assert left_out(household.home.left_out) == {}


def test_in_french_it_is_french(household: Household) -> None:
    caller = owner(household)
    assert "De quoi les modèles apprennent" in caller.get("/rows", Accept_Language="fr").body
    body = caller.get(f"/rows/{newest(household, 'expansion')}", Accept_Language="fr").body
    assert "Lignes pour le modèle d&#39;expansion" in body and "titres · personnel" in body and "lex: " in body

"""Consent on the page: a steward sees what is in and out, says what folders are, and reads the report."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec
import pytest

from daemon.web.stewarding import Stewarding, word_of
from jobs.consent.book import ConsentBook
from jobs.consent.coverage import Coverage
from jobs.domain.errors import BadInput
from tests.web.caller import Caller, Reply, owner
from tests.web.household import RECORD, Household


def writes(household: Household, **files: str) -> None:
    book = ConsentBook(household.home.consent)
    with book.held() as pen:
        for name, text in files.items():
            pen.write(f"{name}.toml", text)
    book.import_changes("a steward", household.now)


def rules(**folders: str) -> str:
    return "".join(
        f'[[rule]]\nplace = "notes/{name.replace("_", "-")}"\nclassification = "{word}"\n'
        for name, word in folders.items()
    )


def address(*folders: str, word: str, other: str = "") -> str:
    return "/consent/classify?" + urlencode([*(("folder", one) for one in folders), ("other", other), ("as", word)])


def form_of(body: str) -> list[tuple[str, str]]:
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', body)
    return [(name, html.unescape(value)) for name, value in found]


def agrees(caller: Caller, shown: Reply, **more: str) -> Reply:
    return caller.post("/consent/classify", urlencode([*form_of(shown.body), *more.items()]))


def classes(household: Household) -> Mapping[str, tuple[int, int]]:
    found: Coverage = Stewarding(household.house).coverage()["found"]
    return found.classes()


def test_it_says_what_is_in_what_is_out_and_why(household: Household) -> None:
    writes(household, policy=rules(ice_road="public", fish_camp="community", canoe="sacred"), elders=RECORD)
    body = owner(household).get("/consent").body
    table = re.findall(
        r'<th scope="row" class="plain">(\w+)</th><td class="n">(\d+)</td><td class="n">(\d+)</td>', body
    )
    assert set(table) == {
        ("public", "36", "0"), ("community", "36", "0"), ("sacred", "0", "36"), ("unclassified", "0", "252")
    }  # fmt: skip
    assert re.findall(r'name="folder" value="notes/([\w-]+)"', body) == sorted(
        "dog-team net-mending northern-lights snow-machine spruce-tea trapline woodstove".split()
    )
    assert "<dt>sacred</dt><dd>36</dd>" in body and "<dt>unclassified</dt><dd>252</dd>" in body


def test_folders_are_classified_in_bulk_after_it_was_shown_what_that_changes(household: Household) -> None:
    caller = owner(household)
    shown = caller.get(address("notes/canoe", "notes/trapline", word="personal", other="notes/dog-team"))
    assert '<td class="n">108</td><td>unclassified</td><td>personal, out: no consent of a person</td>' in shown.body
    assert classes(household) == {"unclassified": (0, 360)}, "looking changes nothing"
    assert agrees(caller, shown).headers["location"] == "/consent"
    assert classes(household) == {"personal": (0, 108), "unclassified": (0, 252)}
    [entry] = ConsentBook(household.home.consent).chain().entries
    assert (entry.action, entry.subject) == ("import", "policy.toml") and entry.detail["by"]
    asked = [msgspec.json.decode(path.read_bytes())["action"] for path in household.home.requests.iterdir()]
    assert asked == ["refresh"], "the examples follow"


def test_a_freer_word_is_said_only_by_who_says_so(household: Household) -> None:
    caller = owner(household)
    agrees(caller, caller.get(address("notes/canoe", word="community")))
    shown = caller.get(address("notes/canoe", word="public"))
    assert "36 notes become freer than somebody called them" in shown.body
    for more in ({}, {"freeing": "no"}, {"freeing": ""}):
        refused = agrees(caller, shown, **more)
        assert refused.status == 409 and "nothing was done" in refused.body
        assert classes(household)["community"] == (0, 36)
    assert agrees(caller, shown, freeing="yes").status == 303
    assert classes(household)["public"] == (36, 0)


def test_sacred_is_never_lifted_by_the_page(household: Household) -> None:
    caller = owner(household)
    agrees(caller, caller.get(address("notes/canoe", word="sacred")))
    for reply in (
        caller.get(address("notes/canoe", word="public")),
        caller.post("/consent/classify", "folder=notes%2Fcanoe&as=public&freeing=yes&shown=x"),
    ):
        assert reply.status == 409 and "no command lifts that" in reply.body
    agrees(caller, caller.get(address("notes", word="public")))
    assert classes(household)["sacred"] == (0, 36), "a word about all notes leaves the stricter one in force"


def test_what_changed_since_it_was_shown_is_shown_again(household: Household) -> None:
    caller = owner(household)
    shown = caller.get(address("notes/canoe", word="public"))
    agrees(caller, caller.get(address("notes/trapline", word="sacred")))
    refused = agrees(caller, shown)
    assert refused.status == 409 and "something changed since this was shown" in refused.body
    assert "public" not in classes(household)


@pytest.mark.parametrize(
    "form", ["", "as=public", "folder=notes%2Fcanoe", "folder=notes%2Fcanoe&as=open", "folder=%20&as=public"]
)
def test_half_a_form_does_nothing(household: Household, form: str) -> None:
    caller = owner(household)
    assert caller.get(f"/consent/classify?{form}").status == 409
    assert caller.post("/consent/classify", form).status == 409
    assert not household.home.consent.exists()


def test_a_policy_that_was_changed_by_hand_is_read_first(household: Household) -> None:
    household.home.consent.mkdir(mode=0o700)
    (household.home.consent / "policy.toml").write_text(rules(canoe="public"))
    caller = owner(household)
    assert "policy.toml (new)" in caller.get("/consent").body
    assert caller.get(address("notes/canoe", word="personal")).status == 409


def test_a_broken_log_is_said_loudly(household: Household) -> None:
    writes(household, policy=rules(fish_camp="community"), elders=RECORD)
    log = household.home.consent / "log.jsonl"
    log.write_bytes(log.read_bytes().replace(b"a steward", b"a stewart"))
    caller = owner(household)
    for path in ("/consent", "/consent/report"):
        assert "The consent log is broken" in caller.get(path).body
    assert "Le registre des consentements est rompu" in caller.get("/consent", Accept_Language="fr").body


def test_the_report_says_who_allowed_what_and_what_is_live(household: Household) -> None:
    writes(household, policy=rules(fish_camp="community"), elders=RECORD)
    caller = owner(household)
    body = caller.get("/consent/report").body
    for words in ("v2 is live.", "Elders of the river", "embed, evaluate", "the band office", "elders@", "no end"):
        assert words in body, words
    rows = re.findall(r'<a href="/releases/(v\d)">v\d</a> <span class="state ([\w-]+)">', body)
    assert sorted(rows) == [("v1", "previous"), ("v2", "live"), ("v2", "live")]
    french = caller.get("/consent/report", Accept_Language="fr").body
    assert "v2 est en service." in french and "vectoriser, évaluer" in french and "Qui a permis quoi" in french


def test_a_withdrawn_release_is_shown_as_such(household: Household) -> None:
    (household.releases.directory("v1") / "WITHDRAWN").touch()
    caller = owner(household)
    body = caller.get("/consent/report").body
    assert '<a href="/releases/v1">v1</a> <span class="state withdrawn">withdrawn</span>' in body
    assert "They can never be live again." in body
    for path in ("/releases", "/releases/v1"):
        page = caller.get(path).body
        assert '<span class="state withdrawn">withdrawn</span>' in page and "/releases/v1/rollback" not in page


def test_a_reason_keeps_the_name_that_is_in_it(household: Household) -> None:
    writes(household, policy='[[rule]]\nplace = "notes/canoe"\nclassification = "public"\nconsent = ["elders"]\n')
    caller = owner(household)
    assert "no consent elders" in caller.get("/consent").body
    assert "pas de consentement elders" in caller.get("/consent", Accept_Language="fr").body


def test_a_home_without_notes_says_what_to_do(tmp_path) -> None:
    empty = Household(tmp_path)
    try:
        caller = owner(empty)
        for path in ("/consent", "/consent/report"):
            assert "iaipctl init" in caller.get(path).body
        assert caller.get(address("notes", word="public")).status == 409
    finally:
        empty.leave()


def test_too_many_folders_at_once_are_refused() -> None:
    with pytest.raises(BadInput):
        word_of([f"notes/{number}" for number in range(201)], "", "public")
    assert word_of(["notes/a", " notes/a "], "notes/b", "sacred").folders == ("notes/a", "notes/b")

"""The files that commands write: nobody's word is weakened, lost, or taken for another's."""

from __future__ import annotations

import tomllib
import unicodedata
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.consent.files import POLICY, RecordGrant, read_policy, read_record
from jobs.consent.writing import Agreement, file_name, new_record, refuse_another, with_grant, with_rule
from jobs.domain.errors import BadInput, Refused
from tests.unit.consent.place import Place

AGREED = datetime(2026, 5, 1, 12, 30, 15, 999, tzinfo=UTC)
GRANT = RecordGrant(uses=("embed",), folders=("/n",))


def agreement(holder: str = "Wendake", kind: str = "community", **more: str) -> Agreement:
    record = new_record(AGREED, holder=holder, kind=kind, contact="a@x.org", language="fr", **more)
    return Agreement(record=record, grant=GRANT)


@pytest.mark.parametrize("word", ['"Sacred"', '["community", "sacred"]', '" sacred"', '["SACRED "]'])
@pytest.mark.parametrize("key", ["classification", "Classification"])
def test_sacred_is_lifted_by_no_command_however_it_is_written(key: str, word: str) -> None:
    policy = f'[[rule]]\nplace = "/n/e"\n{key} = {word}\n'
    with pytest.raises(Refused, match="no command lifts that"):
        with_rule(policy, "/n/e", "public")
    assert read_policy(with_rule(policy, "/n/e", "sacred")).rules[0].said.classifications[-1] == "sacred"


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "  # a word", "\r\n"])
def test_a_rule_is_added_whatever_a_policy_ends_with(end: str) -> None:
    policy = '[seasons]\nwinter = "12-01..02-28"\n[[rule]]\nplace = "kb"\nclassification = "public"' + end
    read = read_policy(with_rule(policy, "/n/e", "sacred"))
    assert [(rule.place, rule.said.classifications) for rule in read.rules] == [
        ("kb", ("public",)),
        ("/n/e", ("sacred",)),
    ]
    assert with_rule(policy, "/n/e", "sacred").startswith(policy.replace("\r", "").rstrip("\n"))


def test_what_no_rule_can_be_added_to_is_refused_before_it_is_written() -> None:
    policy = 'rule = [{place = "kb", classification = "public"}]'
    with pytest.raises(Refused, match="nothing was changed"):
        with_rule(policy, "/n/e", "sacred")


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_grant_is_added_whatever_a_record_ends_with(end: str) -> None:
    text = with_grant("", agreement()).rstrip("\n") + end
    assert read_record(with_grant(text, agreement()), "x").grant == (GRANT, GRANT)


def test_a_record_says_when_it_was_written() -> None:
    record = read_record(with_grant("", agreement()), "x")
    assert (record.agreed, record.written) == (date(2026, 5, 1), AGREED.replace(microsecond=0))
    assert tomllib.loads(with_grant("", agreement()))["agreed"] == date(2026, 5, 1)


HOLDER = st.text(min_size=1, max_size=12) | st.sampled_from(["policy", "Wendake", "WENDAKE", "a b", "a-b", "ᓄᓇᕗᑦ"])


@given(st.lists(HOLDER, min_size=2, max_size=2))
def test_two_holders_never_share_a_file_unless_it_says_whose_it_is(holders: list[str]) -> None:
    one, other = holders
    names = {file_name(one), file_name(other)}
    assert POLICY not in names
    assert all(name.isascii() and "/" not in name and len(name) < 100 for name in names)
    if unicodedata.normalize("NFC", one.strip()) == unicodedata.normalize("NFC", other.strip()):
        assert len(names) == 1
    if len(names) == 1 and one.casefold().split() != other.casefold().split() and one.strip():
        with pytest.raises((Refused, BadInput)):
            refuse_another(with_grant("", agreement(one)), "x.toml", other, "community", {})


def test_holders_in_syllabics_have_a_file_each() -> None:
    assert file_name("Wendake") == "wendake.toml"
    names = [file_name(name) for name in ("ᓄᓇᕗᑦ", "ᐊᓂᔑᓈᐯ", "Élders", "elders", "policy", "Conseil de bande, Odanak")]
    assert len(set(names)) == len(names)
    assert file_name("Élders") == file_name(unicodedata.normalize("NFD", "ÉLDERS "))


@pytest.mark.parametrize(
    ("holder", "kind", "said"),
    [
        ("Wendake", "person", {}),
        ("Wendat", "community", {}),
        ("Wendake", "community", {"contact": "b@y.org"}),
        ("Wendake", "community", {"conditions": "never in winter"}),
        ("Wendake", "community", {"language": "en", "contact": "a@x.org"}),
    ],
)
def test_a_grant_goes_under_nobody_elses_name_and_drops_no_word(holder: str, kind: str, said: dict[str, str]) -> None:
    text = with_grant("", agreement())
    refuse_another(text, "wendake.toml", " wendake", "community", {"contact": "a@x.org", "conditions": ""})
    with pytest.raises(Refused, match=r"wendake\.toml"):
        refuse_another(text, "wendake.toml", holder, kind, said)


@pytest.mark.parametrize(
    "name", ["../evil.toml", "/etc/evil.toml", "a/b.toml", "..", ".toml", "log.jsonl", "a\0.toml", ""]
)
def test_nothing_is_written_outside_the_consent_folder(place: Place, name: str) -> None:
    with place.book.held() as pen, pytest.raises(BadInput):
        pen.write(name, "x")
    assert [path.name for path in place.home.root.rglob("*") if path.is_file() and path.suffix == ".toml"] == []

"""What a folder says of itself, and which folder a word is really about: links, moves, and other spellings."""

from __future__ import annotations

import unicodedata

import pytest

from jobs.domain.corpus import Collection
from tests.unit.consent.place import Place
from tests.unit.dataset.sample import write_policy


@pytest.mark.parametrize(
    "text",
    ["classification = ", 'classification = "secret"', "classification = 3", 'clasification = "public"', "x = true",
     'classification = ["public", 1]', "\x00", 'classification = "sacred"'],
)  # fmt: skip
def test_a_folder_policy_that_lies_or_is_broken_denies_all_below(place: Place, text: str) -> None:
    write_policy(place.home, '[[rule]]\nplace = "kb"\nclassification = "public"\n')
    place.note("a/b/n.md")
    place.note("a/.iaip.toml", text)
    assert place.ruled("a/b/n.md").uses == ()
    assert place.ruled("n.md").uses


def test_a_folder_policy_speaks_for_its_folder_and_all_below_also_from_above_the_collection(place: Place) -> None:
    place.note("a/.iaip.toml", 'classification = "public"\nattribution = "A. Nanibush"\n')
    assert place.ruled("a/b/n.md").uses and place.ruled("a/n.md").uses
    assert place.ruled("b/n.md").reason == "unclassified"
    (place.notes.parent / ".iaip.toml").write_text('classification = "sacred"\n')
    assert place.ruled("a/n.md").reason == "sacred"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_folder_policy_is_found_in_whatever_unicode_form_the_disk_has_its_folder(place: Place, form: str) -> None:
    write_policy(place.home, '[[rule]]\nplace = "kb"\nclassification = "public"\n')
    folder = unicodedata.normalize(form, "Aînés/Récits")  # type: ignore[arg-type]
    place.note(f"{folder}/n.md")
    place.note(unicodedata.normalize(form, "Aînés") + "/.iaip.toml", 'classification = "sacred"')  # type: ignore[arg-type]
    assert place.ruled("Aînés/Récits/n.md").reason == "sacred"
    assert place.ruled("n.md").uses


def test_of_two_folders_that_differ_in_form_alone_both_policies_are_read(place: Place) -> None:
    for form, word in (("NFC", "public"), ("NFD", "sacred")):
        folder = unicodedata.normalize(form, "Aînés")  # type: ignore[arg-type]
        place.note(f"{folder}/.iaip.toml", f'classification = "{word}"')
    assert place.ruled("Aînés/n.md").reason == "sacred"


def test_a_folder_policy_that_is_a_link_denies(place: Place) -> None:
    place.note("a/n.md")
    elsewhere = place.notes.parent / "open.toml"
    elsewhere.write_text('classification = "public"\n')
    (place.notes / "a" / ".iaip.toml").symlink_to(elsewhere)
    assert place.ruled("a/n.md").uses == ()


def test_contradicting_policies_are_read_in_the_stricter_way(place: Place) -> None:
    write_policy(
        place.home,
        '[[rule]]\nplace = "kb"\nclassification = "public"\n[[rule]]\nplace = "kb/a"\nclassification = "community"\n',
    )
    place.note("a/.iaip.toml", 'classification = "public"\n')
    assert place.ruled("a/n.md").reason == "no consent of a community"
    assert place.ruled("b/n.md").uses


def test_a_permission_stays_with_the_folder_when_the_collection_is_pointed_elsewhere(place: Place) -> None:
    write_policy(place.home, f'[[rule]]\nplace = "{place.notes}"\nclassification = "public"\n')
    assert place.ruled().uses
    elsewhere = place.notes.parent / "secret"
    elsewhere.mkdir()
    place.collections = [Collection(name="kb", path=str(elsewhere))]
    assert place.ruled().reason == "unclassified"


def test_a_link_to_a_permitted_folder_permits_only_what_is_really_there(place: Place) -> None:
    secret = place.notes.parent / "secret"
    secret.mkdir()
    link = place.notes.parent / "link"
    link.symlink_to(place.notes)
    place.collections = [Collection(name="kb", path=str(link))]
    write_policy(place.home, f'[[rule]]\nplace = "{place.notes}"\nclassification = "public"\n')
    assert place.ruled().uses
    link.unlink()
    link.symlink_to(secret)
    assert place.ruled().uses == ()


def test_case_and_unicode_variants_of_one_path(place: Place) -> None:
    composed = "Aînés"
    public = '[[rule]]\nplace = "kb"\nclassification = "public"\n'
    write_policy(place.home, f'{public}[[rule]]\nplace = "kb/{composed}"\nclassification = "sacred"\n')
    for name in (composed, composed.upper(), unicodedata.normalize("NFD", composed), "aînés"):
        assert place.ruled(f"{name}/n.md").reason == "sacred"
    personal = '[[rule]]\nplace = "kb"\nclassification = "personal"\n'
    write_policy(place.home, personal)
    place.record(f"kb/{composed}")
    assert place.ruled(unicodedata.normalize("NFD", f"{composed}/n.md")).uses
    assert place.ruled("aînés/n.md").uses == ()

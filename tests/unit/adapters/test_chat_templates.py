"""A known base is held to its one chat template; others are the owner's choice."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from config.catalogue import read_catalogue
from daemon.cli.__main__ import main
from jobs.adapters.chat_templates import CONFIRMED, confirm, require_known_template, template_digest
from jobs.domain.errors import BadInput

PINNED = "smollm2-135m-instruct"
TEMPLATE = "{% for m in messages %}{{ m.content }}{% endfor %}"


def base(folder: Path, template: object = TEMPLATE) -> Path:
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    return folder


def test_the_catalogue_is_whole_and_pins_the_packaged_generator() -> None:
    catalogue = read_catalogue()
    assert len(catalogue[PINNED].chat_template) == 64
    assert catalogue["qwen3-embedding-0.6b"].repository == "Qwen/Qwen3-Embedding-0.6B"
    assert all(bool(entry.package) != bool(entry.repository) for entry in catalogue.values())


def test_another_template_under_a_known_name_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not the one this product knows") as refusal:
        require_known_template(PINNED, base(tmp_path), tmp_path)
    assert str(tmp_path) in refusal.value.remedy


def test_a_known_base_without_its_template_is_refused_too(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="none instead of"):
        require_known_template(PINNED, tmp_path, tmp_path)


def test_a_base_of_the_owners_is_their_choice(tmp_path: Path) -> None:
    require_known_template(str(tmp_path), base(tmp_path), tmp_path)
    require_known_template("all-minilm-l6-v2", base(tmp_path), tmp_path)


def test_the_digest_is_of_the_text_that_is_rendered(tmp_path: Path) -> None:
    assert template_digest(base(tmp_path)) == hashlib.sha256(TEMPLATE.encode()).hexdigest()
    (tmp_path / "chat_template.jinja").write_text("the file comes first")
    assert template_digest(tmp_path) == hashlib.sha256(b"the file comes first").hexdigest()


def test_several_named_templates_have_one_digest_and_none_has_none(tmp_path: Path) -> None:
    assert template_digest(tmp_path) is None
    named = template_digest(base(tmp_path, [{"name": "default", "template": TEMPLATE}]))
    assert named is not None and named != template_digest(base(tmp_path))
    assert template_digest(base(tmp_path, None)) is None


FETCHED = "qwen3-1.7b"


def fetched(root: Path, template: str = TEMPLATE) -> Path:
    (root / FETCHED).mkdir(exist_ok=True)
    return base(root / FETCHED, template)


def test_a_fetched_base_waits_until_its_template_was_read_and_confirmed(tmp_path: Path) -> None:
    directory = fetched(tmp_path)
    with pytest.raises(BadInput, match="nobody has confirmed") as refusal:
        require_known_template(FETCHED, directory, tmp_path)
    assert f"models template {FETCHED}" in refusal.value.remedy
    digest = confirm(FETCHED, refusal.value.remedy.rstrip("`").rpartition(" ")[2], tmp_path)
    require_known_template(FETCHED, directory, tmp_path)
    assert digest == template_digest(directory)


def test_another_template_under_a_confirmed_name_waits_again(tmp_path: Path) -> None:
    confirm(FETCHED, str(template_digest(fetched(tmp_path))), tmp_path)
    with pytest.raises(BadInput, match="nobody has confirmed"):
        require_known_template(FETCHED, fetched(tmp_path, TEMPLATE + " "), tmp_path)
    (tmp_path / CONFIRMED).write_text("not json")
    with pytest.raises(BadInput, match="nobody has confirmed"):
        require_known_template(FETCHED, fetched(tmp_path), tmp_path)


@pytest.mark.parametrize("digits", ["", "0" * 12, "{digest:.11}"])
def test_a_digest_that_was_not_looked_up_confirms_nothing(tmp_path: Path, digits: str) -> None:
    found = str(template_digest(fetched(tmp_path)))
    with pytest.raises(BadInput, match="nothing was confirmed"):
        confirm(FETCHED, digits.format(digest=found), tmp_path)
    assert not (tmp_path / CONFIRMED).exists()


def test_on_the_command_line_the_template_is_shown_and_then_confirmed(tmp_path: Path, capsys) -> None:
    (tmp_path / "base-models").mkdir()
    directory = fetched(tmp_path / "base-models")
    assert main(["--home", str(tmp_path), "models", "template", FETCHED]) == 0
    told = capsys.readouterr()
    assert told.out.strip() == TEMPLATE
    assert main(["--home", str(tmp_path), *told.err.strip().rstrip("`").split("iaipctl ")[1].split()]) == 0
    require_known_template(FETCHED, directory, tmp_path / "base-models")
    assert main(["--home", str(tmp_path), "models", "template", "qwen3-embedding-0.6b"]) == 1


def test_nothing_of_a_template_hides_from_its_reader(tmp_path: Path, capsys) -> None:
    (tmp_path / "base-models").mkdir()
    fetched(tmp_path / "base-models", "seen\n{{ x }}\x1b[2K\u202edenedneppa")
    main(["--home", str(tmp_path), "models", "template", FETCHED])
    assert capsys.readouterr().out == "seen\n{{ x }}\\x1b[2K\\u202edenedneppa\n"

"""Into a new version of the real daemon and, while it is not proved, back: at this try or a later one."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from config.paths import Home
from config.version import VERSION
from daemon.cli import install, restart, upgrade, well
from daemon.cli.result import DONE, FAILED
from daemon.cli.root import Context
from daemon.ledger.books import read_books
from jobs.publish import write_file
from launchd.program import Program
from tests.fakes.macos.machine import PROJECT
from tests.flow.owner import Owner


def upgraded(owner: Owner, folder: Path, main: str) -> Context:
    """A new version in a directory of its own, as its own iaipctl sees the home. ``main``: what its daemon does."""
    (folder / "daemon").mkdir(parents=True)
    (folder / "daemon" / "__init__.py").write_text("")
    (folder / "daemon" / "__main__.py").write_text(main)
    context = owner.context()
    vars(context)["program"] = Program(owner.home, write_file, code=folder)
    return context


def gives_up(home: Home) -> str:
    down = '{"down": "the new version cannot read these settings"}'
    return (
        f"import pathlib, sys\npathlib.Path({str(home.starts)!r}).write_text({down!r})\n"
        "sys.exit(78 if 'systemd' in sys.argv else 0)\n"
    )


def runs_this_version(more: str) -> str:
    """A main that does ``more`` and then is this version's own."""
    return (
        f"import os, sys, runpy, threading\nsys.path[:] = [{str(PROJECT)!r}, *sys.path[1:]]\n"
        f"sys.modules.pop('daemon', None)\n{more}\n"
    )


def test_an_upgrade_that_is_not_well_goes_back_to_the_former_program(owner, tmp_path) -> None:
    owner.types("install")
    former = owner.context().program.path.read_text()
    context = upgraded(owner, tmp_path / "upgrade", gives_up(owner.home))
    result = restart.run(argparse.Namespace(), context)
    assert result.code == FAILED and result.data["back"]
    assert "runs again" in result.talk and "cannot read these settings" in result.talk
    assert context.program.path.read_text() == former and not context.program.former.exists()
    assert owner.health() is not None


def test_a_new_version_that_is_installed_is_started_at_once_or_goes_back(mac_owner, tmp_path) -> None:
    owner = mac_owner
    owner.types("install")
    former = owner.context().program.path.read_text()
    context = upgraded(owner, tmp_path / "upgrade", gives_up(owner.home))
    result = install.run(argparse.Namespace(force=False), context)
    assert result.schema == "iaip.install/1" and result.data == {"healthy": False, "back": True}
    assert "cannot read these settings" in result.talk
    assert context.program.path.read_text() == former and owner.health() is not None


def test_an_upgrade_that_says_nothing_for_a_minute_goes_back_too(owner, tmp_path, monkeypatch) -> None:
    assert well.SECONDS_TO_BE_WELL == 60.0
    monkeypatch.setattr(well, "SECONDS_TO_BE_WELL", 10.0)
    owner.types("install")
    former = owner.context().program.path.read_text()
    context = upgraded(owner, tmp_path / "upgrade", "import time\ntime.sleep(300)\n")
    result = restart.run(argparse.Namespace(), context)
    assert result.code == FAILED and result.data["back"] and "did not answer within" in result.talk
    assert context.program.path.read_text() == former and owner.health() is not None


def test_an_upgrade_that_answers_once_and_dies_goes_back_and_one_that_stays_is_kept(
    mac_owner, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(upgrade, "SECONDS_TO_SETTLE", 3.0)
    owner = mac_owner
    owner.types("install")
    former = owner.context().program.path.read_text()
    main = runs_this_version(
        f"if os.path.exists({str(tmp_path / 'dies')!r}):\n"
        "    import daemon.answers\n"
        "    answer = daemon.answers.Answers.answer\n"
        "    def once(self, question):\n"
        "        threading.Timer(1.0, os._exit, (1,)).start()\n"
        "        return answer(self, question)\n"
        "    daemon.answers.Answers.answer = once\n"
        "runpy.run_module('daemon', run_name='__main__')"
    )
    (tmp_path / "dies").touch()
    context = upgraded(owner, tmp_path / "upgrade", main)
    result = restart.run(argparse.Namespace(), context)
    assert result.data == {"healthy": False, "back": True} and "was gone 3 s later" in result.talk
    assert context.program.path.read_text() == former and owner.health() is not None

    (tmp_path / "dies").unlink()
    assert restart.run(argparse.Namespace(), context).code == DONE
    assert context.program.path.read_text() != former and not context.program.is_on_trial


def test_an_upgrade_that_was_interrupted_still_goes_back_at_the_next_try(mac_owner, tmp_path, monkeypatch) -> None:
    owner = mac_owner
    owner.types("install")
    former = owner.context().program.path.read_text()
    context = upgraded(owner, tmp_path / "upgrade", gives_up(owner.home))
    with monkeypatch.context() as impatient, pytest.raises(KeyboardInterrupt):
        impatient.setattr(upgrade, "awaited", _interrupted)
        restart.run(argparse.Namespace(), context)
    result = restart.run(argparse.Namespace(), context)
    assert result.data["back"] and context.program.path.read_text() == former and owner.health() is not None


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_an_upgrade_that_brought_the_ledger_forward_goes_back_with_the_ledger_of_before(mac_owner, tmp_path) -> None:
    owner = mac_owner
    owner.types("install")
    main = runs_this_version(
        "import daemon.ledger.schema as schema\n"
        "schema.MIGRATIONS = (*schema.MIGRATIONS, 'ALTER TABLE fact RENAME TO facts;')\n"
        "from datetime import UTC, datetime\n"
        "from pathlib import Path\n"
        "from config.paths import Home\n"
        "from daemon.ledger.restore import open_keeping_a_copy\n"
        f"open_keeping_a_copy(Home(root=Path({str(owner.home.root)!r})), datetime.now(UTC)).database.close()"
    )
    context = upgraded(owner, tmp_path / "upgrade", main + gives_up(owner.home))
    result = restart.run(argparse.Namespace(), context)
    assert result.data == {"healthy": False, "back": True}, result.talk
    assert owner.health() is not None and not owner.home.way_back.exists()
    [restored] = [alert for alert in read_books(owner.home.ledger).alerts.unread() if alert.kind == "ledger-restored"]
    [aside] = owner.home.damaged.iterdir()
    assert str(aside) in restored.body and (aside / "ledger.sqlite").exists()


def test_a_version_installed_over_the_former_one_has_nothing_to_go_back_to_and_says_so(owner) -> None:
    owner.types("install")
    owner.home.config_file.write_text("[watch]\nquite = 3\n")
    result = owner.types("restart")
    assert result.code == FAILED and not result.data["back"] and "no former version" in result.talk


def test_install_restarts_a_version_that_was_installed_over_and_says_which_one_answers(mac_owner, monkeypatch) -> None:
    owner = mac_owner
    owner.types("install")
    former = owner.health()
    monkeypatch.setattr(well, "VERSION", "2.0")
    monkeypatch.setattr(well, "SECONDS_TO_BE_WELL", 6.0)
    result = owner.types("install")
    assert result.schema == "iaip.install/1" and owner.health().pid != former.pid
    assert f"a daemon answers, but not the one that was started: version {VERSION}" in result.talk

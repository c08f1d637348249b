"""A job leaves nothing behind for another to run: it writes into its own folders alone."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from config.paths import Home
from daemon import runner
from daemon.runner import run_worker
from daemon.system import sandbox
from daemon.system.sandbox import confined, places_of
from daemon.system.witness import Witness
from jobs.adapters import landlock
from jobs.adapters.landlock import enter_landlock, landlock_version
from jobs.domain.confinement import A_FILE, NO_FILE_WALLS, Receipt
from jobs.wire import RUN, STAGE_ORDER, Done, Event, JobSpec, Stage
from tests.contracts.confining import NO_LANDLOCK, have_landlock, have_namespaces, inside, linux

SMALL_WORKER = (sys.executable, "-m", "tests.fakes.small_worker")
needs_landlock = pytest.mark.skipif(not have_landlock(), reason="this kernel has no Landlock")

WRITING = {
    "a new file": "(away / '.profile').write_text('later')",
    "an old file": "(away / '.bashrc').write_text('later')",
    "more in an old file": "(away / '.bashrc').open('a').write('later')",
    "an old file cut short": "os.truncate(away / '.bashrc', 0)",
    "an old file through a link": "(own / 'link').symlink_to(away / '.bashrc'); (own / 'link').write_text('later')",
    "an old file under a second name": "os.link(away / '.bashrc', own / 'linked')",
    "an old file replaced": "(own / 'made').write_text('later'); (own / 'made').rename(away / '.bashrc')",
    "an old file taken": "(away / '.zshrc').rename(own / 'taken')",
    "an old file removed": "(away / '.bashrc').unlink()",
    "a new folder": "(away / '.config').mkdir()",
    "a new link": "(away / '.login').symlink_to(own)",
    "a new pipe": "os.mkfifo(away / 'pipe')",
    "a program of its own": "subprocess.run(['touch', away / '.logout'], check=True, stderr=subprocess.DEVNULL)",
}
EACH = """
import os, pathlib, subprocess
own, away = pathlib.Path({own!r}), pathlib.Path({away!r})
for what, attempt in {writing!r}.items():
    try:
        exec(attempt)
    except (OSError, subprocess.CalledProcessError):
        continue
    print(what)
"""


@pytest.fixture
def away(tmp_path: Path) -> Path:
    """A person's home."""
    folder = tmp_path / "person"
    folder.mkdir()
    for name in (".bashrc", ".zshrc"):
        (folder / name).write_text("mine\n")
    return folder


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    return folder


@linux
@needs_landlock
def test_on_every_rung_nothing_is_written_outside(
    witness: Witness, around: Sequence[str], own: Path, away: Path
) -> None:
    code = EACH.format(own=str(own), away=str(away), writing=WRITING)
    receipt, written = inside(witness, code, around, {"OWN": own})
    assert (receipt.files, written) == ("landlock", "")
    assert {path.name: path.read_text() for path in away.iterdir()} == {".bashrc": "mine\n", ".zshrc": "mine\n"}


def test_without_walls_all_of_this_is_written(own: Path, away: Path) -> None:
    code = EACH.format(own=str(own), away=str(away), writing=WRITING)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == list(WRITING)


@linux
@needs_landlock
def test_in_its_own_folders_a_job_does_all_that_it_needs(witness: Witness, own: Path, away: Path) -> None:
    (away / "other").mkdir()
    code = f"""
import pathlib, shutil, subprocess, sys, tempfile
own, other = pathlib.Path({str(own)!r}), pathlib.Path({str(away / "other")!r})
(own / "folder").mkdir(); (own / "folder" / "file").write_text("word"); (own / "folder").rename(other / "moved")
(other / "current").symlink_to("moved"); (other / "linked").hardlink_to(other / "moved" / "file")
with tempfile.NamedTemporaryFile() as scratch:
    scratch.write(b"x")
subprocess.run([sys.executable, "-c", "print('from a child')"], stdin=subprocess.DEVNULL, check=True)
print((other / "current" / "file").read_text(), tempfile.gettempdir(), (other.parent / ".bashrc").read_text())
shutil.rmtree(other / "moved")
"""
    _, answer = inside(witness, code, places={"OWN": own, "OTHER": away / "other"})
    assert answer == f"from a child\nword {witness.scratch} mine\n\n"


@linux
@needs_landlock
@pytest.mark.parametrize("version", [2, 3, 4, 5, 6])
def test_an_older_kernel_is_asked_for_what_it_knows_and_bars_writing_too(
    version: int, own: Path, away: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if landlock_version() < version:
        pytest.skip("this kernel is older itself")
    monkeypatch.setattr(landlock, "landlock_version", lambda: version)

    def behind_walls() -> bool:
        enter_landlock([own, own / "not there"])
        (own / "file").write_text("word")
        try:
            (away / ".bashrc").write_text("later")
        except PermissionError:
            return True
        return False

    assert in_a_child(behind_walls)


def in_a_child(answer: Callable[[], bool]) -> bool:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if answer() else 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@linux
@pytest.mark.skipif(not have_namespaces(), reason="this machine has no other walls")
def test_where_there_is_no_landlock_jobs_run_without_a_network_and_the_receipt_says_what_is_not_barred(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "confined", lambda *given: [*NO_LANDLOCK, *confined(*given)])
    events: list[Event] = []
    spec = JobSpec(job=7, stage="train", home=str(tmp_path))
    assert isinstance(run_worker(spec, tmp_path / "log", events.append, lambda: RUN, SMALL_WORKER), Done)
    receipt = events[0]
    assert isinstance(receipt, Receipt)
    assert (receipt.rung, receipt.files, receipt.gaps()) == ("namespace", "none", ())
    assert receipt.heard == (A_FILE,), "the parent saw the file"
    assert NO_FILE_WALLS in receipt.in_words()


@pytest.mark.parametrize("stage", STAGE_ORDER)
def test_nothing_that_the_owner_or_the_system_runs_or_obeys_is_among_a_job_s_places(
    stage: Stage, tmp_path: Path
) -> None:
    home = Home(root=tmp_path / "home")
    places = places_of(JobSpec(job=7, stage=stage, home=str(home.root)), {"XDG_RUNTIME_DIR": str(tmp_path / "run")})
    obeyed = [home.agent_program, home.config_file, home.ledger, home.requests, home.curated, home.evaluation]
    if stage != "deploy":
        obeyed += [home.releases / "current" / "qmd" / "index.yml", home.releases / "v3" / "qmd" / "index.yml"]
    assert [path for path in obeyed for place in places.values() if path.is_relative_to(place)] == []
    assert [path for name, path in places.items() if not path.is_dir()] in ([], [places["RELEASES"]])
    assert not (home.releases / "current").exists()


@pytest.mark.parametrize("stage", STAGE_ORDER)
def test_a_job_that_meets_its_base_first_unpacks_it(stage: Stage, tmp_path: Path) -> None:
    home = Home(root=tmp_path / "home")
    places = places_of(JobSpec(job=7, stage=stage, home=str(home.root)), {"XDG_RUNTIME_DIR": str(tmp_path / "run")})
    assert home.base_models in places.values()


COPIES = """
import pathlib
from jobs.index_file import copy_index
home = pathlib.Path({home!r})
copy_index(home / "releases" / "current" / "index" / "index.sqlite", home / "stages" / "copy.sqlite")
try:
    (home / "releases" / "current" / "qmd" / "index.yml").write_text("update: anything")
except PermissionError:
    print("barred")
"""


@linux
@needs_landlock
def test_a_baseline_copies_the_live_index_as_qmd_leaves_it_and_cannot_change_the_configuration_beside_it(
    witness: Witness, tmp_path: Path
) -> None:
    release = tmp_path / "releases" / "v0"
    for part in ("index", "qmd"):
        (release / part).mkdir(parents=True)
    (release / "qmd" / "index.yml").write_text("collections: {}")
    (release.parent / "current").symlink_to("v0")
    with closing(sqlite3.connect(release / "index" / "index.sqlite")) as index:
        index.executescript("PRAGMA journal_mode = wal; CREATE TABLE notes (text); INSERT INTO notes VALUES ('word')")
    code = COPIES.format(home=str(tmp_path))
    _, answer = inside(witness, code, places=places_of(JobSpec(job=7, stage="baseline", home=str(tmp_path))))
    assert (answer, (release / "qmd" / "index.yml").read_text()) == ("barred\n", "collections: {}")
    with closing(sqlite3.connect(tmp_path / "stages" / "copy.sqlite")) as copy:
        assert copy.execute("SELECT text FROM notes").fetchall() == [("word",)]


def test_what_a_job_left_in_its_scratch_folder_goes_with_it(tmp_path: Path) -> None:
    told = tmp_path / "stages" / "told"
    code = f"import tempfile, time; open({str(told)!r}, 'w').write(tempfile.mkdtemp()); time.sleep(1)"
    spec = JobSpec(job=7, stage="train", home=str(tmp_path))
    with pytest.raises(runner.Crashed):
        run_worker(spec, tmp_path / "log", print, lambda: RUN, (sys.executable, "-c", code))
    left = Path(told.read_text())
    assert left.parent.name == "scratch" and not left.parent.parent.exists()


def test_macos_names_every_place_of_a_job_to_its_profile_with_resolved_paths(
    witness: Witness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "sandbox-exec"
    tool.touch()
    (tmp_path / "real").mkdir()
    (tmp_path / "home").symlink_to("real")
    places = places_of(JobSpec(job=7, stage="train", home=str(tmp_path / "home")))
    monkeypatch.setattr(sys, "platform", "darwin")
    command = confined(["/bin/worker"], witness, places, sandbox_exec=str(tool))
    assert command[0] == str(tool)
    named = dict(word.split("=", 1) for word in command[2 : 2 * len(places) + 3 : 2])
    assert set(command[1 : 2 * len(places) + 3 : 2]) == {"-D"}
    assert named["STAGES"] == str((tmp_path / "real").resolve() / "stages")
    assert named["SCRATCH"] == str(witness.scratch)
    assert set(re.findall(r'\(param "(\w+)"\)', sandbox.PROFILE.read_text())) == set(named)
    assert command[2 * len(named) + 1 :][:2] == ["-f", str(sandbox.PROFILE)]
    assert command[2 * len(named) + 3 :][:4] == [sys.executable, "-m", "jobs.confine", "sandbox-exec"]
    assert command[-2:] == ["--", "/bin/worker"]


def test_macos_s_witness_looks_where_no_job_may_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with Witness() as witness:
        assert witness.folder.parent == Path("/tmp").resolve()
        assert witness.scratch.parent == witness.folder


def test_macos_s_profile_bars_all_writing_but_there_and_the_terminals() -> None:
    profile = " ".join(re.sub(r";;.*", "", sandbox.PROFILE.read_text()).split())
    assert re.search(
        r"\(deny file-write\* \(require-not \(require-any( \((subpath|literal) [^()]*(\([^()]*\))?\))+\)\)\)", profile
    )
    assert '(subpath "/")' not in profile and "HOME" not in profile
    assert '(deny file-ioctl (regex #"^/dev/tty"))' in profile

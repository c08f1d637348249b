"""A job leaves nothing behind for another to run: it writes into its own folders, and types into no terminal."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from config.paths import Home
from daemon import runner
from daemon.runner import run_worker
from daemon.system import sandbox
from daemon.system.sandbox import confined, job_environment, places_of
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


def test_what_a_job_left_in_its_scratch_folder_goes_with_it(tmp_path: Path) -> None:
    told = tmp_path / "stages" / "told"
    code = f"import tempfile, time; open({str(told)!r}, 'w').write(tempfile.mkdtemp()); time.sleep(1)"
    spec = JobSpec(job=7, stage="train", home=str(tmp_path))
    with pytest.raises(runner.Crashed):
        run_worker(spec, tmp_path / "log", print, lambda: RUN, (sys.executable, "-c", code))
    left = Path(told.read_text())
    assert left.parent.name == "scratch" and not left.parent.parent.exists()


TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""
TYPING = (termios.TIOCSTI, 0x541C)  # and TIOCLINUX, of a console
TYPES = "import os\nfrom jobs.probes import try_every_way as t\nprint(t(9, os.devnull)[-1].outcome)"


@pytest.fixture
def window() -> Iterator[tuple[int, int]]:
    """Both sides of a terminal that hands over each character as it is typed."""
    master, slave = os.openpty()
    settings = termios.tcgetattr(slave)
    settings[3] &= ~(termios.ICANON | termios.ECHO)
    termios.tcsetattr(slave, termios.TCSANOW, settings)
    yield master, slave
    os.close(master)
    os.close(slave)


def in_window(command: Sequence[str], slave: int, environment: dict[str, str]) -> str:
    """What the command printed, whose terminal this window is."""
    started = [sys.executable, "-c", TERMINAL, *command]
    done = subprocess.run(
        started, stdin=slave, stdout=subprocess.PIPE, env=environment, timeout=60, check=True, start_new_session=True
    )
    return done.stdout.decode().splitlines()[-1]


def typed(slave: int) -> bytes:
    return os.read(slave, 9) if select.select([slave], [], [], 0.2)[0] else b""


@linux
def test_on_every_rung_nothing_is_typed_into_the_terminal_it_was_started_from(
    witness: Witness, window: tuple[int, int], around: Sequence[str]
) -> None:
    library = "import ctypes, errno, os; c = ctypes.CDLL(None, use_errno=True); t = os.open('/dev/tty', 0); "
    typing = f"print(*[c.ioctl(t, code, b'x') and errno.errorcode[ctypes.get_errno()] for code in {TYPING}])"
    command = [*around, *confined([sys.executable, "-c", library + typing], witness, {})]
    assert in_window(command, window[1], job_environment(witness)) == "EACCES EACCES"
    assert typed(window[1]) == b""


def test_without_walls_the_canary_types_where_the_system_lets_it(window: tuple[int, int]) -> None:
    outcome = in_window([sys.executable, "-c", TYPES], window[1], {**os.environ, "PYTHONPATH": str(Path.cwd())})
    assert (outcome, typed(window[1])) in [("open", b"\0"), ("EIO", b"")], "Linux since 6.2 may refuse it to all"


def test_a_worker_is_in_a_session_of_its_own_which_has_no_terminal(tmp_path: Path) -> None:
    sessions: list[bool] = []

    def look(event: Event) -> None:
        if isinstance(event, Receipt):
            [worker] = [child.pid for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
            sessions.append(os.getsid(worker) == worker)

    spec = JobSpec(job=7, stage="train", home=str(tmp_path))
    assert isinstance(run_worker(spec, tmp_path / "log", look, lambda: RUN, SMALL_WORKER), Done)
    assert sessions == [True]


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

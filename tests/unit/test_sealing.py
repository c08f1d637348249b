"""Sealed files: what goes in comes out, what was touched does not, and without one of the keys nothing does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.adapters.aead import AesGcm
from jobs.domain import sealing as form
from jobs.domain.errors import BadInput
from jobs.keys import KeyDestroyed, Keys
from jobs.publish import STAGE_PREFIX
from jobs.sealing import OPEN, Sealing, is_sealed, plain_inside, seal_leftovers

KEPT = ("result.json", "needed-by-run-")
SECRET = b"the sturgeon come to the narrows in the first week of June"


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path / "keys", AesGcm(), None)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("jobs.sealing.CHUNK", 8)
    return 8


def sealed(content: bytes, keys: Keys, *consents: str) -> bytes:
    return Sealing(keys).sealed(content, keys.ids(consents))


@given(st.binary(max_size=40), st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_sealed_comes_out_again(keys: Keys, small_chunks: int, content: bytes, consents: list[str]) -> None:
    made = sealed(content, keys, *consents)
    assert Sealing(keys).opened(made) == content
    assert made != sealed(content, keys, *consents), "no two files share a key"


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_that_was_touched_comes_out(keys: Keys, small_chunks: int, data: st.DataObject) -> None:
    """A bit, the end, an order, a repetition: everything after the magic, which alone says that this is sealed."""
    made = sealed(SECRET, keys, "maria")
    front = made.index(b"}") + 1
    chunks = [made[i : i + small_chunks + form.TAG] for i in range(front, len(made), small_chunks + form.TAG)]
    first, second = data.draw(st.tuples(st.integers(0, len(chunks) - 1), st.integers(0, len(chunks) - 1)))
    kind = data.draw(st.sampled_from(["bit", "cut", "swapped", "left out", "twice", "more"]))
    if kind == "bit":
        place = data.draw(st.integers(len(form.MAGIC), len(made) - 1))
        touched = made[:place] + bytes([made[place] ^ 1 << data.draw(st.integers(0, 7))]) + made[place + 1 :]
    elif kind == "cut":
        touched = made[: data.draw(st.integers(len(form.MAGIC), len(made) - 1))]
    elif kind == "more":
        touched = made + data.draw(st.binary(min_size=1, max_size=40))
    else:
        if kind == "swapped":
            chunks[first], chunks[second] = chunks[second], chunks[first]
        elif kind == "left out":
            del chunks[first]
        else:
            chunks.insert(first, chunks[second])
        touched = made[:front] + b"".join(chunks)
    if touched == made:
        return
    with pytest.raises((BadInput, KeyDestroyed)):
        Sealing(keys).opened(touched)


@given(st.sets(st.sampled_from("abcd"), min_size=1), st.sampled_from("abcd"))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_destroyed_key_of_several_is_enough(tmp_path: Path, consents: set[str], gone: str) -> None:
    keys = Keys(tmp_path / "keys", AesGcm(), None)
    made = sealed(SECRET, keys, *consents)
    keys.destroy(gone)
    if gone in consents:
        with pytest.raises(KeyDestroyed):
            Sealing(keys).opened(made)
        keys.ids(consents)
        with pytest.raises(KeyDestroyed):
            Sealing(keys).opened(made)
    else:
        assert Sealing(keys).opened(made) == SECRET


def test_what_needs_no_key_is_left_as_it_is(keys: Keys) -> None:
    assert Sealing(keys).sealed(SECRET, ()) == SECRET == Sealing(keys).opened(SECRET)
    assert not keys.folder.exists()


def test_a_file_is_sealed_and_opened_in_its_place_chunk_by_chunk(tmp_path: Path, keys: Keys) -> None:
    content = os.urandom(2 * form.CHUNK + 77)
    for size in (0, 1, form.CHUNK, form.CHUNK + 1, len(content)):
        file = tmp_path / "weights"
        file.write_bytes(content[:size])
        Sealing(keys).seal_file(file, ids := keys.ids(["maria"]))
        made = file.read_bytes()
        assert is_sealed(file) and (size < 64 or content[:64] not in made)
        Sealing(keys).seal_file(file, ids)
        assert file.read_bytes() == made, "sealed once is enough"
        Sealing(keys).open_file(file)
        assert file.read_bytes() == content[:size]


class Stage:
    """A training's directory, with a checkpoint and what housekeeping reads."""

    def __init__(self, folder: Path, keys: Keys) -> None:
        self.directory = folder / "stages" / "train-0000000000000001"
        self.checkpoint = self.directory / "checkpoints" / "step-0000000005"
        self.keys = keys
        self.checkpoint.mkdir(parents=True)

    def work(self, *consents: str) -> Any:
        return plain_inside(self.directory, consents, self.keys, KEPT)

    def write(self) -> None:
        (self.checkpoint / "weights.safetensors").write_bytes(SECRET)
        (self.directory / "needed-by-run-3").touch()
        (self.directory / "result.json").write_bytes(b"{}")

    def at_rest(self) -> dict[str, bool]:
        """Every file by its name, and whether it is sealed."""
        return {path.name: is_sealed(path) for path in self.directory.rglob("*") if path.is_file()}


@pytest.fixture
def stage(tmp_path: Path, keys: Keys) -> Stage:
    return Stage(tmp_path, keys)


AT_REST = {"weights.safetensors": True, "needed-by-run-3": False, "result.json": False}


def test_a_directory_is_plain_while_a_job_is_at_it_and_sealed_afterwards(stage: Stage) -> None:
    with stage.work("maria", "council"):
        stage.write()
    assert stage.at_rest() == AT_REST
    with stage.work("council", "maria"):
        assert (stage.checkpoint / "weights.safetensors").read_bytes() == SECRET
        assert (stage.directory / OPEN).exists()
    assert stage.at_rest() == AT_REST


def test_public_material_costs_nothing(stage: Stage) -> None:
    with stage.work():
        stage.write()
    assert not any(stage.at_rest().values()) and not stage.keys.folder.exists()


def test_a_job_that_ends_with_an_error_leaves_nothing_plain(stage: Stage) -> None:
    with pytest.raises(OSError, match="full"), stage.work("maria"):
        stage.write()
        (stage.directory / f"{STAGE_PREFIX}model-abc").mkdir()
        (stage.directory / f"{STAGE_PREFIX}model-abc" / "half").write_bytes(SECRET)
        raise OSError("full")
    assert stage.at_rest() == AT_REST and not list(stage.directory.glob(f"{STAGE_PREFIX}*"))


def test_a_key_that_goes_while_a_job_runs_takes_the_plain_files_with_it(stage: Stage) -> None:
    with pytest.raises(KeyDestroyed), stage.work("maria", "council"):
        stage.write()
        stage.keys.destroy("maria")
    assert stage.at_rest() == {name: False for name in AT_REST if name != "weights.safetensors"}


PROGRAM = """
import os, sys
from pathlib import Path
from jobs.adapters.aead import AesGcm
from jobs.keys import Keys
from jobs.sealing import plain_inside
left = int(sys.argv[3])
def counting(real):
    def call(*a, **b):
        global left
        left -= 1
        if left == -1: os.kill(os.getpid(), 9)
        return real(*a, **b)
    return call
os.fsync, os.open = counting(os.fsync), counting(os.open)
Path.replace, Path.unlink = counting(Path.replace), counting(Path.unlink)
stage = Path(sys.argv[2])
with plain_inside(stage, ["maria", "council"], Keys(Path(sys.argv[1]), AesGcm(), None), {kept!r}):
    for name in ("weights", "moments"):
        assert not (stage / name).exists() or (stage / name).read_bytes() == {secret!r}
        (stage / name).write_bytes({secret!r})
"""


@pytest.mark.slow
def test_killed_at_any_moment_nothing_is_lost_and_the_next_start_seals_it(tmp_path: Path) -> None:
    program = PROGRAM.format(kept=KEPT, secret=SECRET)
    for moment in range(200):
        keys = Keys(tmp_path / str(moment) / "keys", AesGcm(), None)
        directory = tmp_path / str(moment) / "stages" / "train-0000000000000001"
        directory.mkdir(parents=True)
        with plain_inside(directory, ["maria", "council"], keys, KEPT):
            (directory / "weights").write_bytes(SECRET)
        arguments = [str(keys.folder), str(directory), str(moment)]
        ended = subprocess.run([sys.executable, "-c", program, *arguments], check=False)
        seal_leftovers(directory.parent, keys, KEPT)
        plain = [path for path in directory.iterdir() if not is_sealed(path)]
        assert all(path.name.startswith(f"{STAGE_PREFIX}{OPEN}") for path in plain), f"killed at {moment}"
        with plain_inside(directory, ["maria", "council"], keys, KEPT):
            assert (directory / "weights").read_bytes() == SECRET, f"killed at {moment}"
        if ended.returncode == 0:
            break
    assert ended.returncode == 0 and moment > 20


def test_what_a_killed_job_left_plain_is_sealed_at_the_next_start(stage: Stage) -> None:
    killed = stage.work("maria")
    killed.__enter__()
    stage.write()
    assert seal_leftovers(stage.directory.parent, stage.keys, KEPT) == 0, "somebody is at it"
    del killed
    killed_elsewhere(stage)
    assert seal_leftovers(stage.directory.parent, stage.keys, KEPT) == 1
    assert stage.at_rest() == AT_REST
    assert seal_leftovers(stage.directory.parent, stage.keys, KEPT) == 0


def test_what_a_killed_job_left_plain_goes_where_its_key_is_gone(stage: Stage) -> None:
    killed_elsewhere(stage)
    stage.write()
    stage.keys.destroy("maria")
    seal_leftovers(stage.directory.parent, stage.keys, KEPT)
    assert "weights.safetensors" not in stage.at_rest() and OPEN not in stage.at_rest()


def killed_elsewhere(stage: Stage) -> None:
    """The mark that a process leaves which died at its work."""
    import json

    (stage.directory / OPEN).write_text(json.dumps(stage.keys.ids(["maria"])))

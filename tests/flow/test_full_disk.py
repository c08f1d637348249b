"""A volume that really fills, whoever writes to it: told as a full disk, with what to do, and nothing half is left."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from jobs.adapters.node import find_node, find_qmd
from jobs.domain.errors import ToolFailed
from jobs.domain.full_disk import REMEDY
from jobs.wire import Failed, JobSpec, decode_event, encode
from tests.learnt import Learnt
from tests.unit.dataset.sample import note

MOUNTED = """
import os, subprocess, sys
from pathlib import Path
volume = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(volume)], check=True)
"""
PROJECT = Path(__file__).resolve().parents[2]
FULL = Failed(message="the disk is full", remedy=REMEDY, kind="DiskFull")


def on_a_small_volume(code: str, volume: Path, *more: str, told: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """``volume`` is one of 256 KiB for the child alone: nobody else sees the mount, and it goes with the child.

    The child's stdin stays open after what it is ``told``: a worker that finds it closed leaves.
    """
    volume.mkdir(exist_ok=True)
    command = ["unshare", "-rm", sys.executable, "-c", MOUNTED + code, str(volume), *more]
    environment = {"PYTHONPATH": str(PROJECT), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(volume.parent)}
    heard, speaks = os.pipe()
    try:
        os.write(speaks, told)
        return subprocess.run(command, stdin=heard, env=environment, capture_output=True, timeout=60, check=False)
    finally:
        os.close(heard)
        os.close(speaks)


@pytest.fixture(scope="module", autouse=True)
def _volumes(tmp_path_factory: pytest.TempPathFactory) -> None:
    if not shutil.which("unshare") or on_a_small_volume("", tmp_path_factory.mktemp("try") / "v").returncode:
        pytest.skip("needs Linux and leave to mount in a namespace of its own")


TELLS = """
from jobs.worker import _in_words
from jobs.wire import encode
def tells(write):
    try:
        write()
    except Exception as error:
        told = _in_words(error)
        assert told is not None, repr(error)
        print(encode(told).decode(), sorted(entry.name for entry in volume.iterdir()))
"""


def test_an_index_that_does_not_fit_is_not_called_unusable(tmp_path: Path) -> None:
    source = tmp_path / "index.sqlite"
    with closing(sqlite3.connect(source)) as index:
        index.execute("CREATE TABLE documents (body)")
        index.executemany("INSERT INTO documents VALUES (?)", [("y" * 1000,)] * 1000)
        index.commit()
    copies = "from jobs.index_file import copy_index\ntells(lambda: copy_index(Path(sys.argv[2]), volume / 'copy'))"
    done = on_a_small_volume(TELLS + copies, tmp_path / "v", str(source))
    assert done.stdout.decode() == f"{encode(FULL).decode()} []\n", done.stderr


def test_a_worker_that_fills_the_disk_with_examples_says_so_in_its_last_word(tmp_path: Path) -> None:
    try:
        find_node(""), find_qmd("")
    except ToolFailed as missing:
        pytest.skip(missing.message)
    house = Learnt(tmp_path)
    for number in range(40):
        (house.notes / f"{number}.md").write_text(note(number, sections=12))
    house.classify(notes="public")
    spec = JobSpec(job=1, stage="dataset", home=str(house.home.root), documents=house.documents())
    works = "os.execv(sys.executable, [sys.executable, '-m', 'jobs.worker'])"
    done = on_a_small_volume(works, house.home.examples_cache.parent, told=encode(spec))
    assert done.stdout, done.stderr
    *_, last = done.stdout.splitlines()
    assert (decode_event(last), done.returncode) == (FULL, 1), done.stderr


CHECKPOINT = """
import torch
from jobs.adapters.torch_checkpoints import TrainingState, save
weights = {"a": torch.ones(1000, 500)}
optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(2))])
state = TrainingState(step=3, seed=7, loss=0.0, seconds=0.0)
tells(lambda: save(volume, weights, optimizer, state))
"""
MLX = """
import mlx.core as mx
from jobs.adapters.mlx_lora import _write
tells(lambda: _write(volume / "adapter.safetensors", {"a": mx.ones((1000, 500))}))
"""


@pytest.mark.ml
@pytest.mark.slow
def test_a_checkpoint_that_does_not_fit_is_a_full_disk_and_no_checkpoint(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    done = on_a_small_volume(TELLS + CHECKPOINT, tmp_path / "v")
    assert done.stdout.decode() == f"{encode(FULL).decode()} []\n", done.stderr


@pytest.mark.ml
@pytest.mark.slow
def test_mlx_weights_that_do_not_fit_are_told_with_the_disk_in_the_remedy(tmp_path: Path) -> None:
    pytest.importorskip("mlx.core")
    pytest.importorskip("mlx_lm")
    done = on_a_small_volume(TELLS + MLX, tmp_path / "v")
    told = decode_event(done.stdout.splitlines()[0])
    assert isinstance(told, Failed) and "disk space" in told.remedy, done.stderr

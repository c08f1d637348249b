"""The expansion model through the whole loop, with a kill -9 in every stage: the verdict of an undisturbed run.

The base is a small Llama that its owner names by its directory.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from jobs.adapters.base_places import smollm2_source
from jobs.domain.errors import BadInput
from tests.fakes.schooled_llama import smollm2_tokenizer, write_schooled_llama
from tests.flow.test_loop import MATTERS, PLACES, THINGS, furnish, sets_of
from tests.house import House

pytestmark = [
    *(pytest.mark.ml, pytest.mark.qmd, pytest.mark.slow),
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("search_tools"),
]

SETTINGS = """
[watch]
quiet = 0.5
[dataset]
minimum_expansions = 20
most_expansion_queries = 20
test_share = 0.4
[schedule]
new_pairs = 1000000
new_expansions = 1000000
[expansion]
base = "{base}"
epochs = 1
batch_size = 4
checkpoint_steps = 2
most_rows = 24
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("bases") / "schooled-llama"
    asked = [f"{matter} of the {thing} at {place}" for thing in THINGS for place in PLACES for matter in MATTERS[:2]]
    try:
        packaged = smollm2_source()
    except BadInput as missing:
        pytest.skip(f"{missing.message}: {missing.remedy}")
    return write_schooled_llama(directory, smollm2_tokenizer(packaged), seed=1, queries=asked, steps=40)


def notes_alone(home: Path, notes: Path) -> None:
    """Judged by what is held out of them."""
    furnish(home, notes)
    shutil.rmtree(home / "curated")
    shutil.rmtree(home / "evaluation")


def gguf_of(base: Path, folder: Path) -> str:
    """The base as QMD reads it: what the owner searches with before."""
    command = [sys.executable, "-m", "jobs.base_gguf", str(folder / "nowhere"), "expansion", str(base), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout.splitlines()[-1]


def test_a_kill_in_every_stage_ends_in_the_verdict_of_an_undisturbed_run(base: Path, tmp_path: Path) -> None:
    settings, untrained = SETTINGS.format(base=base), gguf_of(base, tmp_path)
    verdicts, live, house = [], [], None
    for name in ("undisturbed", "disturbed"):
        house = House(tmp_path / name, settings, notes_alone, {"generate": untrained}, neighbour=house)
        number = house.begin("expansion")
        if name == "disturbed":
            assert set(house.kill_one_in_every_stage(number)) <= {"deploy"}, "nothing to deploy if it was not better"
        ended = house.end(number)
        house.stop()
        assert ended.state == "done", ended.reason
        verdicts.append(house.verdict(number))
        live.append(house.live())
    undisturbed, disturbed = verdicts
    assert undisturbed.outcome == disturbed.outcome
    assert sets_of(undisturbed) == sets_of(disturbed)
    assert live[0] == live[1]

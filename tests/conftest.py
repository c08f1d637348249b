"""What every test stands on. Nothing of the product is prepared here."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

# The same examples in every run, so that a failure can be repeated; `--hypothesis-profile=explore` looks further.
settings.register_profile("repeatable", deadline=None, derandomize=True, max_examples=60, print_blob=True)
settings.register_profile("explore", deadline=None, max_examples=1000)


def pytest_configure(config: pytest.Config) -> None:
    """Sets the environment that the tests and all their child processes see."""
    os.environ.pop("CI", None)  # QMD turns its models off where it is set
    os.environ["HF_HUB_OFFLINE"] = "1"  # no test may fetch a model
    os.environ["XDG_RUNTIME_DIR"] = tempfile.mkdtemp(prefix="iaip-tests-")  # the owner's heavy jobs go on meanwhile
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # it warns in forked children
    if not config.getoption("--hypothesis-profile"):
        settings.load_profile("repeatable")


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(os.environ["XDG_RUNTIME_DIR"], ignore_errors=True)


@pytest.fixture(autouse=True)
def _as_a_new_process() -> Iterator[None]:
    """A command that is run inside a test sets up its process; the next test begins without that."""
    mask = os.umask(0o022)
    yield
    os.umask(mask)
    structlog.reset_defaults()

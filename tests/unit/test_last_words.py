"""What a worker says of the error that ends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.load import ConfigurationError, load_settings
from jobs.worker import _in_words


def test_a_mistake_in_the_settings_is_named_with_the_command_that_checks_them(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[embedding]\nepochs = 'x'\n")
    with pytest.raises(ConfigurationError) as mistake:
        load_settings(tmp_path / "config.toml")
    told = _in_words(mistake.value)
    assert told is not None and "epochs" in told.message and told.remedy == "`iaipctl config check`"


def test_what_nobody_foresaw_is_not_put_into_words() -> None:
    assert _in_words(ZeroDivisionError()) is None

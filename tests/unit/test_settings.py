"""One file of settings, every mistake named at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.load import ConfigurationError, load_settings
from config.paths import default_home, qmd_files


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "config.toml").dataset.minimum_pairs == 500


def test_a_set_key_leaves_the_others(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[dataset]\nminimum_pairs = 40\n")
    dataset = load_settings(tmp_path / "config.toml").dataset
    assert (dataset.minimum_pairs, dataset.minimum_expansions) == (40, 100)


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        "[dataset]\nminimum_pair = 40\n[gate]\nalpha = 2.0\n[embedding]\nepochs = 'two'\n[sched]\nx = 1\n"
    )
    with pytest.raises(ConfigurationError) as refusal:
        load_settings(tmp_path / "config.toml")
    told = str(refusal.value)
    assert "dataset.minimum_pair (did you mean minimum_pairs?)" in told
    assert "gate.alpha" in told and "embedding.epochs" in told and "[sched]" in told
    assert [problem.split(":")[0] for problem in refusal.value.problems] == ["line 2", "line 4", "line 6", "line 7"]


@pytest.mark.parametrize(
    ("section", "line"),
    [
        ("embedding", "average_weights = []"),
        ("embedding", "average_weights = [0.5, 0.0]"),
        ("embedding", "learning_rate = -1.0"),
        ("expansion", "learning_rate = 0"),
        ("embedding", "scale = 0.0"),
        ("embedding", 'base = ""'),
        ("expansion", 'base = " "'),
        ("watch", "quiet = inf"),
        ("gate", "parity_f16 = nan"),
        ("gate", "slowest_ratio = 0.0"),
        ("embedding", "average_weights = [0.5, nan]"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_before_anything_is_trained(
    tmp_path: Path, section: str, line: str
) -> None:
    (tmp_path / "config.toml").write_text(f"[{section}]\n{line}\n")
    with pytest.raises(ConfigurationError) as refusal:
        load_settings(tmp_path / "config.toml")
    assert [problem.split(": ")[:2] for problem in refusal.value.problems] == [
        ["line 2", f"{section}.{line.split(' = ', maxsplit=1)[0]}"]
    ]


def test_shares_that_leave_nothing_to_train_on_are_named_with_every_other_mistake(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[dataset]\ntest_share = 0.9\nseeds = 1\n[gate]\nalpha = 2.0\n")
    with pytest.raises(ConfigurationError) as refusal:
        load_settings(tmp_path / "config.toml")
    [unknown, alpha, shares] = refusal.value.problems
    assert shares == (
        "line 2: dataset.development_share and dataset.test_share are 1 together: nothing is left to train on"
    )
    assert "dataset.seeds" in unknown and "gate.alpha" in alpha


def test_a_search_cannot_be_weak_and_strong_at_once(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[gate]\nweak_below = 0.8\n")
    with pytest.raises(ConfigurationError) as refusal:
        load_settings(tmp_path / "config.toml")
    assert refusal.value.problems == [
        "line 2: gate.weak_below is over gate.strong_above: a search would be weak and strong at once"
    ]


@pytest.mark.parametrize("alpha", ["0.0", "1.0"])
def test_a_gate_that_always_or_never_opens_is_no_gate(tmp_path: Path, alpha: str) -> None:
    (tmp_path / "config.toml").write_text(f"[gate]\nalpha = {alpha}\n")
    with pytest.raises(ConfigurationError, match=r"gate\.alpha"):
        load_settings(tmp_path / "config.toml")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(development=st.floats(0, 1), test=st.floats(0, 1))
def test_shares_are_taken_exactly_when_something_is_left(tmp_path: Path, development: float, test: float) -> None:
    (tmp_path / "config.toml").write_text(f"[dataset]\ndevelopment_share = {development}\ntest_share = {test}\n")
    try:
        dataset = load_settings(tmp_path / "config.toml").dataset
    except ConfigurationError:
        assert development + test >= 1
    else:
        assert development + test < 1 and (dataset.development_share, dataset.test_share) == (development, test)


@pytest.mark.parametrize("hours", ["8-12", "24:00-06:00", "08:30 - 12:00", "evening"])
def test_quiet_hours_are_times_of_day(tmp_path: Path, hours: str) -> None:
    (tmp_path / "config.toml").write_text(f'[governor]\nquiet_hours = ["08:30-12:00", "{hours}"]\n')
    with pytest.raises(ConfigurationError, match=r"governor\.quiet_hours"):
        load_settings(tmp_path / "config.toml")


def test_broken_toml_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[dataset\n")
    with pytest.raises(ConfigurationError, match="not TOML"):
        load_settings(tmp_path / "config.toml")


def test_qmd_is_found_where_qmd_looks(tmp_path: Path) -> None:
    found = qmd_files({"XDG_CONFIG_HOME": str(tmp_path / "c"), "INDEX_PATH": str(tmp_path / "i.sqlite")})
    assert found.config == tmp_path / "c" / "qmd" / "index.yml"
    assert found.index == tmp_path / "i.sqlite"


def test_a_chosen_home_wins() -> None:
    assert default_home({"IAIP_HOME": "/srv/knowledge"}) == Path("/srv/knowledge")

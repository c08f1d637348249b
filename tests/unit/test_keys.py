"""A key a consent: destroyed, it takes with it what was sealed, and nothing else."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.adapters.aead import AesGcm
from jobs.adapters.macos_keychain import LoginKeychain
from jobs.domain.consent import Classification
from jobs.domain.errors import Refused
from jobs.domain.sealing import NO_RECORD, consents_of
from jobs.keys import KeyDestroyed, Keys
from tests.fakes.macos.machine import FakeMachine

RECORDS = st.text("abc-", min_size=1, max_size=4)
GRANTS = st.frozensets(st.builds("{}@{}".format, RECORDS, st.integers(1, 30)), max_size=3)


def keys(folder: Path, keychain: LoginKeychain | None = None) -> Keys:
    return Keys(folder / "keys", AesGcm(), keychain)


def test_a_consent_keeps_its_key_and_has_it_alone(tmp_path: Path) -> None:
    first = keys(tmp_path).ids(["maria", "council"])
    assert keys(tmp_path).ids(["council", "maria"]) == first and len(set(first)) == 2
    secrets = {keys(tmp_path).secret([one]) for one in first}
    assert len(secrets) == 2 and all(len(secret) == 32 for secret in secrets)
    assert keys(tmp_path).secret(first) == b"".join(keys(tmp_path).secret([one]) for one in first)


def test_a_destroyed_key_is_gone_for_all_who_hold_its_id(tmp_path: Path) -> None:
    held = keys(tmp_path)
    maria, council = held.ids(["maria"]), held.ids(["council"])
    held.secret(maria)
    assert keys(tmp_path).destroy("maria")
    for there in (held, keys(tmp_path)):
        assert not there.has(maria) and there.has(council)
        with pytest.raises(KeyDestroyed, match="can no longer be read"):
            there.secret((*council, *maria))
        assert there.secret(council)
    assert not keys(tmp_path).destroy("maria"), "the second time there is nothing left to do"


def test_consent_given_again_has_another_key(tmp_path: Path) -> None:
    before = keys(tmp_path).ids(["maria"])
    keys(tmp_path).destroy("maria")
    after = keys(tmp_path).ids(["maria"])
    assert after != before and keys(tmp_path).secret(after)
    with pytest.raises(KeyDestroyed):
        keys(tmp_path).secret(before)


def test_the_bytes_of_a_destroyed_key_are_overwritten_before_its_name_goes(tmp_path: Path) -> None:
    keys(tmp_path).ids(["maria"])
    [file] = (tmp_path / "keys").glob("[0-9a-f]*.json")
    os.link(file, tmp_path / "witness")
    content = file.read_bytes()
    keys(tmp_path).destroy("maria")
    left = (tmp_path / "witness").read_bytes()
    assert len(left) == len(content) and b"wrapped" not in left and not file.exists()


def test_a_destruction_that_was_cut_off_is_ended_by_the_next(tmp_path: Path) -> None:
    ids = keys(tmp_path).ids(["maria"])
    [file] = (tmp_path / "keys").glob("[0-9a-f]*.json")
    file.write_bytes(b"half" + file.read_bytes()[4:])
    assert not keys(tmp_path).has(ids)
    assert keys(tmp_path).destroy("maria") and not file.exists()
    file.write_bytes(b"half")
    assert keys(tmp_path).ids(["maria"]) != ids, "and a new key takes the place of a damaged one"


def test_killed_at_any_moment_a_destruction_leaves_the_key_whole_or_useless(tmp_path: Path) -> None:
    """Every system call that changes anything is the last in turn."""
    program = (
        "import os, sys; from pathlib import Path; from jobs import keys as k; from jobs.adapters.aead import AesGcm\n"
        "left = int(sys.argv[2])\n"
        "def counting(real):\n"
        "    def call(*a, **b):\n"
        "        global left\n"
        "        left -= 1\n"
        "        if left < 0: os.kill(os.getpid(), 9)\n"
        "        return real(*a, **b)\n"
        "    return call\n"
        "os.fsync, Path.unlink, Path.open = map(counting, (os.fsync, Path.unlink, Path.open))\n"
        "k.Keys(Path(sys.argv[1]), AesGcm(), None).destroy('maria')\n"
    )
    ends = []
    for moment in range(6):
        folder = tmp_path / str(moment)
        held = keys(folder)
        ids, others = held.ids(["maria"]), held.ids(["council"])
        ended = subprocess.run([sys.executable, "-c", program, str(folder / "keys"), str(moment)], check=False)
        ends.append(ended.returncode)
        held.destroy("maria")
        assert not held.has(ids) and held.secret(others)
    assert ends[0] == -9 and ends[-1] == 0


def test_keys_are_for_their_owner_alone_and_out_of_backups(tmp_path: Path) -> None:
    keys(tmp_path).ids(["maria"])
    folder = tmp_path / "keys"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert (folder / "CACHEDIR.TAG").read_bytes().startswith(b"Signature: 8a477f597d28d172789f06886806bc55")
    assert not any("maria" in path.name or b"maria" in path.read_bytes() for path in folder.iterdir())


def test_a_wrapped_key_does_not_pass_for_another_consents(tmp_path: Path) -> None:
    held = keys(tmp_path)
    maria = held.ids(["maria"])
    [marias] = (tmp_path / "keys").glob("[0-9a-f]*.json")
    held.ids(["council"])
    [councils] = set((tmp_path / "keys").glob("[0-9a-f]*.json")) - {marias}
    councils.write_bytes(marias.read_bytes())
    marias.unlink()
    with pytest.raises(KeyDestroyed):
        held.secret(maria)


@pytest.mark.parametrize(
    "damage", [b"", b"{}", b'{"kept":"file","name":"n","key":"ab"}', b'{"kept":"keychain","name":"n"}']
)
def test_a_damaged_master_key_is_said_and_nothing_is_made_with_it(tmp_path: Path, damage: bytes) -> None:
    keys(tmp_path).ids(["maria"])
    before = sorted((tmp_path / "keys").iterdir())
    (tmp_path / "keys" / "master.json").write_bytes(damage)
    with pytest.raises(Refused, match="damaged") as refusal:
        keys(tmp_path).ids(["council"])
    assert "move" in refusal.value.remedy and sorted((tmp_path / "keys").iterdir()) == before


@pytest.fixture
def keychain(mac: FakeMachine) -> LoginKeychain:
    return LoginKeychain(str(mac.tools / "security"))


def test_the_keychain_keeps_the_master_key_and_no_argument_shows_it(
    tmp_path: Path, mac: FakeMachine, keychain: LoginKeychain
) -> None:
    there = keys(tmp_path, keychain)
    ids = there.ids(["maria"])
    assert there.where() == "keychain"
    [secret] = mac.state.read()["keychain"].values()
    assert len(secret) == 64 and not any(secret in words for call in mac.calls("security") for words in call)
    assert not any(secret.encode() in file.read_bytes() for file in (tmp_path / "keys").iterdir())
    assert keys(tmp_path, keychain).secret(ids) == there.secret(ids)


def test_the_keychain_has_the_master_key_before_a_job_that_cannot_put_it_there_needs_one(
    tmp_path: Path, mac: FakeMachine, keychain: LoginKeychain
) -> None:
    keys(tmp_path, keychain).make_ready()
    items = mac.state.read()["keychain"]
    there = keys(tmp_path, keychain)
    there.make_ready()
    assert there.where() == "keychain" and there.secret(there.ids(["maria"]))
    assert len(items) == 1 and mac.state.read()["keychain"] == items, "the second time there is nothing left to do"
    elsewhere = keys(tmp_path / "linux")
    elsewhere.make_ready()
    assert elsewhere.where() is None and not elsewhere.folder.exists()


def test_a_keychain_locked_later_refuses_with_what_to_do(
    tmp_path: Path, mac: FakeMachine, keychain: LoginKeychain
) -> None:
    there = keys(tmp_path, keychain)
    ids = there.ids(["maria"])
    mac.set(keychain_locked=True)
    with pytest.raises(Refused, match="keychain") as refusal:
        there.secret(ids)
    assert "unlock-keychain" in refusal.value.remedy
    assert there.has(ids) and there.destroy("maria"), "to destroy a key, no keychain is needed"


def test_a_home_that_goes_takes_its_key_out_of_the_keychain(
    tmp_path: Path, mac: FakeMachine, keychain: LoginKeychain
) -> None:
    keys(tmp_path, keychain).ids(["maria"])
    keys(tmp_path / "another", keychain).ids(["council"])
    assert keys(tmp_path, keychain).leave_keychain() is None
    assert len(mac.state.read()["keychain"]) == 1, "another home's stays"
    mac.set(keychain_locked=True)
    left = keys(tmp_path / "another", keychain).leave_keychain()
    assert left in mac.state.read()["keychain"]
    assert keys(tmp_path / "a third").leave_keychain() is None


def test_a_keychain_that_keeps_nothing_leaves_the_master_key_to_a_file(
    tmp_path: Path, mac: FakeMachine, keychain: LoginKeychain
) -> None:
    mac.set(keychain_locked=True)
    there = keys(tmp_path, keychain)
    assert there.secret(there.ids(["maria"])) and there.where() == "file"


@given(st.lists(st.tuples(st.sampled_from(["public", "personal", "community"]), GRANTS)))
def test_only_public_material_without_a_grant_needs_no_key(parts: list[tuple[Classification, frozenset[str]]]) -> None:
    consents = consents_of(parts)
    assert consents == tuple(sorted(set(consents)))
    assert (consents == ()) == all(word == "public" and not grants for word, grants in parts)
    assert {grant.rpartition("@")[0] for _, grants in parts for grant in grants} == set(consents) - {NO_RECORD}
    assert (NO_RECORD in consents) == any(word != "public" and not grants for word, grants in parts)

"""The login keychain of macOS, by its own tool ``security``.

The secret goes in on standard input (``security -i`` reads commands there), never as an argument that others could
see in the list of processes. What that tool stored it may read again without a question to the user, while the
keychain is unlocked: that is from login on.
"""

from __future__ import annotations

import sys
from pathlib import Path

from jobs.adapters.processes import clean_environment, run_to_end
from jobs.domain.errors import Refused, ToolFailed

SECURITY = "/usr/bin/security"
_ACCOUNT = "iaip"
_SECONDS = 20.0
_REMEDY = (
    "unlock it (`security unlock-keychain`) and try again; if the key is gone from it, move the folder keys of the"
    " home away: what was sealed is made again from the notes"
)


class LoginKeychain:
    """A Keychain. Secrets and names are words of letters, digits and hyphens."""

    def __init__(self, security: str = SECURITY) -> None:
        self._security = security

    def keep(self, name: str, secret: str) -> bool:
        """How the tool ends says little when it reads commands: reading the secret back tells."""
        try:
            self._run("-i", stdin=f"add-generic-password -U -a {_ACCOUNT} -s {name} -w {secret}\n".encode())
            return self.read(name) == secret
        except (ToolFailed, Refused):
            return False

    def read(self, name: str) -> str:
        try:
            return self._run("find-generic-password", "-a", _ACCOUNT, "-s", name, "-w").decode().strip()
        except ToolFailed as error:
            raise Refused("the keychain does not give the master key out", remedy=_REMEDY) from error

    def forget(self, name: str) -> bool:
        try:
            self._run("delete-generic-password", "-a", _ACCOUNT, "-s", name)
        except ToolFailed:
            return False
        return True

    def _run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        return run_to_end(
            [self._security, *arguments],
            name="the keychain",
            environment=clean_environment({}),
            timeout=_SECONDS,
            cwd=Path("/"),
            stdin=stdin,
            remedy=_REMEDY,
        )


def keychain_here() -> LoginKeychain | None:
    """None where there is no such keychain: the master key then lies in a file of mode 0600."""
    return LoginKeychain() if sys.platform == "darwin" and Path(SECURITY).exists() else None

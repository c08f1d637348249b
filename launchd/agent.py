"""The one interface to the system's supervisor, and what it says of our agent."""

from __future__ import annotations

from typing import Literal, Protocol

from msgspec import Struct

from launchd.machine import Session

SECONDS_TO_STOP = 90
"""What the daemon gets between SIGTERM and SIGKILL: its worker may take 75 for a checkpoint."""

Condition = Literal["not installed", "registered", "stopped", "disabled", "failed", "cannot tell"]
Definition = Literal["missing", "ours", "outdated", "edited"]


class AgentFailed(Exception):
    """The supervisor refused, or did not answer. ``message`` says what happened, ``remedy`` what to do next.

    ``kept`` is true where a rule of ours refused before anything was touched.
    """

    def __init__(self, message: str, *, remedy: str, kept: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.kept = kept


class AgentState(Struct, frozen=True, kw_only=True):
    """What the supervisor knows. Whether the daemon is well is asked of the daemon itself, never read from here."""

    condition: Condition
    definition: Definition
    detail: str = ""
    remedy: str = ""


class Agent(Protocol):
    """Every verb may be repeated; every wait ends. Each raises AgentFailed, with the next step."""

    def require_ours(self) -> None:
        """Raises AgentFailed where ``install`` would, for a definition edited by hand. Touches nothing."""

    def install(self, *, force: bool) -> list[str]:
        """Writes the definition and has it started, now and at every login; returns what the owner should know.

        A definition edited by hand is refused, or with ``force`` kept beside before it is replaced. One that an
        interrupted call wrote, and the supervisor never took, is taken now.
        """

    def uninstall(self) -> list[str]:
        """Stops the agent in order and removes its definition: that alone where no supervisor can be reached.

        Returns what the owner should know.
        """

    def serves(self) -> bool:
        """Whether a definition for this home lies in its place. Asks no supervisor."""

    def start(self) -> None: ...

    def stop(self) -> None:
        """Ends the daemon in order and returns when it is gone. It starts again at the next login."""

    def restart(self) -> None:
        """Stops and starts it in order, with the definition that this version wants."""

    def state(self) -> AgentState: ...


def refuse_root(session: Session) -> None:
    """An agent belongs to a person. Raises AgentFailed under sudo."""
    if session.sudo:
        raise AgentFailed(
            "under sudo the agent would be root's, not yours; nothing was changed",
            remedy="run the same command without sudo",
            kept=True,
        )

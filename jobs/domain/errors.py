"""The errors a person may meet. Each message says what happened, what is safe and what to do next."""

from __future__ import annotations

from jobs.domain.full_disk import REMEDY


class IaipError(Exception):
    """Something failed in a way we can explain. ``remedy`` is what to do next."""

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class ToolFailed(IaipError):
    """A foreign tool (QMD, llama.cpp, Node) is missing, broke or ran out of time."""


class BadInput(IaipError):
    """A file of the owner's or a base model cannot be used as it is."""


class DiskFull(IaipError):
    """A volume is full. What was being written is gone, what stood in its place before stays."""

    def __init__(self) -> None:
        super().__init__("the disk is full", remedy=REMEDY)


class NotFound(BadInput):
    """What was asked for by its name is not there."""


class ParityFailed(IaipError):
    """The exported file does not compute what the trained model computes."""


class NotEnough(IaipError):
    """There are too few examples or queries. Not an error: the run ends with this word."""


class Stopped(IaipError):
    """The job was asked to stop; its checkpoint is safe and it can go on later."""


class Refused(IaipError):
    """A rule forbids it (consent, a withdrawn release, a second daemon)."""

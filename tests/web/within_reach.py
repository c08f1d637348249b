"""What is within reach of whoever comes to the page: its pages, its forms, and all that these could change."""

from __future__ import annotations

from daemon.web.stewarding import Stewarding, Word
from jobs.dataset.left_out import LeftOut, leave_out
from jobs.dataset.proposals import plain_lines, proposals
from tests.web.household import Household

LIVE_BEFORE = "v2"
PLAIN = (
    *("/", "/jobs", "/runs", "/releases", "/lineage", "/judge", "/rows", "/alerts"),
    *("/consent", "/consent/report", "/pace"),
)
FORMS = ("rollback", "acknowledge", "leave-out", "take-back", "classify")


def dataset_of(home: Household) -> str:
    name = home.books.history.newest_dataset("embedding")
    assert name is not None
    return name


def filled(form: str, home: Household) -> tuple[str, str]:
    """A form's address and content, such that our own page's would do what it says."""
    row = next(proposals(home.home.datasets / dataset_of(home), "embedding", plain_lines))
    word = Word(folders=("notes/canoe",), classification="public")
    shown = Stewarding(home.house).preview(word)["seen"].digest
    leave_out(home.home.left_out, "fedcba9876543210", LeftOut())
    return {
        "rollback": ("/releases/v1/rollback", ""),
        "acknowledge": ("/alerts/1", ""),
        "leave-out": (f"/rows/{dataset_of(home)}/{row.digest}", ""),
        "take-back": ("/rows/left-out/fedcba9876543210", ""),
        "classify": ("/consent/classify", f"folder=notes%2Fcanoe&as=public&freeing=yes&shown={shown}"),
    }[form]


def everything(home: Household) -> tuple[object, ...]:
    """All that a form could change: what is live, the ledger, the owner's files."""
    leave_out(home.home.left_out, "fedcba9876543210", LeftOut())
    folders = (home.home.consent, home.home.left_out, home.home.evaluation, home.home.requests)
    files = {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}
    changes = home.books.database.row("SELECT total_changes() AS n")
    return home.releases.live(), changes and changes["n"], files

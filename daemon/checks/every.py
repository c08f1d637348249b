"""The checks by name, in the order in which one rests on another."""

from __future__ import annotations

from daemon.checks.consent import check_consent
from daemon.checks.encryption import check_encryption
from daemon.checks.finding import Check
from daemon.checks.needs import check_base, check_node, check_notifications, check_qmd, check_trainers
from daemon.checks.places import check_disk, check_home, check_notes, check_qmd_files
from daemon.checks.privacy import check_keys, check_permissions, check_walls
from daemon.checks.programs import check_interpreter, check_sqlite
from daemon.checks.supervisor import check_agent

CHECKS: dict[str, Check] = {
    "interpreter": check_interpreter,
    "sqlite": check_sqlite,
    "node": check_node,
    "qmd": check_qmd,
    "trainers": check_trainers,
    "base": check_base,
    "home": check_home,
    "permissions": check_permissions,
    "qmd-files": check_qmd_files,
    "notes": check_notes,
    "agent": check_agent,
    "notifications": check_notifications,
    "disk": check_disk,
    "encryption": check_encryption,
    "keys": check_keys,
    "walls": check_walls,
    "consent": check_consent,
}

"""Pseudonyms of devices in a workspace: the shop's secret, kept or drawn once, and salts that live for some days."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.workspace import Workspace

if TYPE_CHECKING:
    from models.behaviour.pseudonyms import Salts

KEEP_DAYS = 2  # late events of the day before still get their name


def salts_of(workspace: Workspace) -> "Salts":
    """The workspace's salts."""
    from models.behaviour.pseudonyms import Salts

    return Salts(workspace.root / "secrets" / "salts.json", KEEP_DAYS)


def disguised(workspace: Workspace, today: date, day: date, devices: Sequence[str]) -> list[str]:
    """Pseudonyms (N,) of devices (N,) heard on a day, under that day's salt, which lives no longer `today` than others: days come in
    as they are lived."""
    from models.behaviour.pseudonyms import pseudonyms

    salts = salts_of(workspace)
    names = pseudonyms(devices, secret=_secret(workspace), salt=salts.of(day, today=day))
    salts.destroy(today=today)
    return names


def _secret(workspace: Workspace) -> bytes:
    """The one of the settings; without one what was drawn at the first call, for its owner alone."""
    import secrets

    from data_checks.durable import locked, replace_file

    if workspace.settings.pseudonym_secret is not None:
        return workspace.settings.pseudonym_secret.get_secret_value().encode()
    path = workspace.settings.home / "secrets" / "pseudonyms.key"

    def write(draft: Path) -> None:
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex(32), encoding="ascii")

    with locked(path.parent):
        if not path.exists():
            replace_file(path, write)
    return bytes.fromhex(path.read_text(encoding="ascii"))

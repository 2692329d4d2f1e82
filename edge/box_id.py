"""Which box this is: an id of its own, made once, since hosts and cameras go by the same names in many a shop."""

import re
import secrets
from pathlib import Path

from edge.files import locked, sweep_unfinished, write_whole
from models.common.protocols import InputError

FILE, LOCK_FILE = "box_id", "box_id.lock"
BYTES = 6  # as 12 digits: behind `storeloop-` within the 23 characters that every broker of MQTT 3.1.1 must take
READABLE = 0o644  # no secret, and the box may run as another user than who asks for its status


def box_id(home: Path) -> str:
    """Id of the box under `home`, made when it is first asked for; 12 hexadecimal digits. InputError for a file that was altered."""
    file = home / FILE
    if not file.exists():
        home.mkdir(parents=True, exist_ok=True)
        with locked(home / LOCK_FILE):
            sweep_unfinished(file)
            if not file.exists():
                write_whole(file, f"{secrets.token_hex(BYTES)}\n".encode(), mode=READABLE)
    told = file.read_text(encoding="ascii", errors="replace").strip()
    if not re.fullmatch(rf"[0-9a-f]{{{2 * BYTES}}}", told):
        raise InputError(
            f"{file} holds {told[:40]!r}, an id has {2 * BYTES} hexadecimal digits: restore it, or remove it for a new one"
        )
    return told

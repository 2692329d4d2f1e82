"""Files of situations: one that is read again and again, or a folder whose files go once they are decided.

A file comes into a folder by a rename, so that nobody reads half of it.
"""

import json
from datetime import datetime
from pathlib import Path

from edge.files import locked, write_whole
from edge.label_situations import MAX_BYTES, read_situations
from edge.labels import Report, reprice
from edge.runtime import EdgeRuntime
from models.common.protocols import InputError

PATTERN, REFUSED, TAKEN = "*.json", ".refused", ".taken"
QUEUE_LOCK = "queue.lock"  # one pass at a time takes files


def price_path(home: Path, runtime: EdgeRuntime, path: Path, *, now: datetime) -> Report:
    """Price the situations of a file, or of every file of a folder in the order of their names.

    Of a folder, a file that was decided goes; what is wrong with it stays beside, as NAME.refused. Meanwhile it is NAME.taken, so
    that another that comes under its name is not taken for it; the next pass ends what a killed one took. InputError for a single
    file that is no list, or a path that is nothing.
    """
    if path.is_dir():
        whole = reprice(home, runtime, (), now=now)  # ends what a killed pass began
        with locked(home / QUEUE_LOCK):
            for file in sorted(path.glob(PATTERN + TAKEN)) + sorted(path.glob(PATTERN)):
                whole.add(_consume(home, runtime, file, now))
        return whole
    return _price(home, runtime, _content(path), now)


def _consume(home: Path, runtime: EdgeRuntime, file: Path, now: datetime) -> Report:
    name = file.name.removesuffix(TAKEN)
    beside, taken = file.with_name(name + REFUSED), file.with_name(name + TAKEN)
    file.replace(taken)
    try:
        report = _price(home, runtime, _content(taken), now)
    except InputError as error:
        taken.replace(beside)
        return Report(refused=[(name, str(error))])
    if report.refused:
        write_whole(beside, (json.dumps(report.told()["refused"], indent=1) + "\n").encode())
    taken.unlink()
    return report


def _price(home: Path, runtime: EdgeRuntime, content: bytes, now: datetime) -> Report:
    sound, refused = read_situations(content)
    report = reprice(home, runtime, sound, now=now)
    report.refused[:0] = refused
    return report


def _content(file: Path) -> bytes:
    if not file.is_file():
        raise InputError(f"{file} is no file: give a file of situations, or a folder of such")
    with file.open("rb") as stream:
        return stream.read(MAX_BYTES + 1)

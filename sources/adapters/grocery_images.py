"""Grocery Store images (Klasson et al. 2019, MIT): 5,421 photos of groceries in shops, 81 classes in 43 coarse ones.

`classes.csv` names the classes; `train.txt`, `val.txt` and `test.txt` list `path, class, coarse class` of the official split.
"""

import csv
from pathlib import Path
from typing import Final

from sources.base import SourceError
from sources.images.files import add_picture, read_text
from sources.images.rows import ImageRows, quote

_CLASSES: Final = "classes.csv"
_LISTS: Final = {"train": "train.txt", "val": "val.txt", "test": "test.txt"}
_COLUMNS: Final = {"name": "Class Name (str)", "number": "Class ID (int)", "parent": "Coarse Class Name (str)"}


def grocery_images(folder: Path) -> ImageRows:
    """Raw rows of the set as published (`dataset/` of its repository): labels are the fine classes, parents the coarse.

    A listed picture that is absent is a row with its `problem`. Errors: SourceError for a missing file or column, and for
    a line that is no picture and class.
    """
    names, parents = _classes(folder / _CLASSES)
    rows = ImageRows(folder)
    rows.add_classes(names, parents)
    listed = {split: folder / name for split, name in _LISTS.items()}
    if missing := [path.name for path in listed.values() if not path.is_file()]:
        raise SourceError(
            f"{folder}: {', '.join(missing)} of the official split are missing; they belong to the download"
        )
    for split, path in listed.items():
        for number, line in enumerate(read_text(path).splitlines(), start=1):
            if not line.strip():
                continue
            words = [word.strip() for word in line.split(",")]
            if len(words) != 3 or not words[1].isdecimal() or int(words[1]) >= len(names):
                raise SourceError(
                    f"{path} line {number}: {quote(line)} is not path, class (below {len(names)}), coarse class"
                )
            add_picture(rows, words[0], split=split)
            rows.labels.add(label_id=words[0], image_id=words[0], label=names[int(words[1])])
    return rows


def _classes(path: Path) -> tuple[list[str], dict[str, str]]:
    """Names by number, and the coarse class of each that bears another name than its own."""
    if not path.is_file():
        raise SourceError(f"{path} is missing; it belongs to the download")
    table = list(csv.DictReader(read_text(path).splitlines(), skipinitialspace=True))
    if not table or (missing := [column for column in _COLUMNS.values() if column not in table[0]]):
        raise SourceError(
            f"{path}: column {', '.join(missing) if table else 'names'} is missing; use the published file"
        )
    for line, row in enumerate(table, start=2):
        if short := [column for column in _COLUMNS.values() if not (row[column] or "").strip()]:
            raise SourceError(f"{path} line {line}: no {', '.join(short)}; use the published file")
    numbered = {row[_COLUMNS["number"]].strip(): row for row in table}
    if set(numbered) != {str(number) for number in range(len(table))}:
        raise SourceError(f"{path}: the classes are not numbered 0 to {len(table) - 1}; use the published file")
    ordered = [numbered[str(number)] for number in range(len(table))]
    names = [row[_COLUMNS["name"]].strip() for row in ordered]
    parents = {row[_COLUMNS["name"]].strip(): row[_COLUMNS["parent"]].strip() for row in ordered}
    return names, parents

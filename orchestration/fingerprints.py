"""What an asset was made from, as one hash: unchanged inputs, code and knobs mean that the work can be skipped."""

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from data_checks.durable import replace_file

ROOT = Path(__file__).resolve().parent.parent
CALLER = "orchestration"  # calls every room, so that whoever follows its imports ends with the whole project
_CODE = {".py", ".yaml", ".template", ".html", ".css", ".sh", ".conf"}


def code_files(*entries: str, root: Path = ROOT) -> tuple[Path, ...]:
    """The files of `entries` (a file or folder below `root`) and every module of the rooms that they import in turn.

    A room is a package directly below `root`. Imports inside functions count, those for type checkers do not. A file of
    `orchestration` is taken by itself: what decides its result has to stand beside it. Errors: ValueError for an entry
    without code.
    """
    todo: list[Path] = []
    for entry in entries:
        path = root / entry
        found = [path] if path.is_file() else [p for p in path.rglob("*") if p.suffix in _CODE and p.is_file()]
        if not found:
            raise ValueError(f"{entry!r} holds no code below {root}; name a room, a package or a file of this project")
        todo += found
    files: set[Path] = set()
    while todo:
        file = todo.pop()
        if file in files:
            continue
        files.add(file)
        parts = file.relative_to(root).parts
        if file.suffix == ".py" and parts[0] != CALLER:
            for module in _imports(_content(file, file.stat().st_mtime_ns).decode(), parts[:-1]):
                todo += _module_files(module, root)
    return tuple(sorted(files))


def code_digest(*entries: str, root: Path = ROOT) -> str:
    """SHA-256 over names and bytes of `code_files`."""
    digest = hashlib.sha256()
    for file in code_files(*entries, root=root):
        digest.update(str(file.relative_to(root)).encode())
        digest.update(hashlib.sha256(_content(file, file.stat().st_mtime_ns)).digest())
    return digest.hexdigest()


@cache
def code_fingerprint(*entries: str) -> str:
    """`code_digest` of this project; once a process, whose code stays as it was loaded."""
    return code_digest(*entries)


def fingerprint(*, code: Iterable[str], inputs: Mapping[str, Any]) -> str:
    """SHA-256 of code and inputs.

    `code` names entry modules or folders, see `code_files`; `inputs` are hashes of upstream tables, facts and knobs,
    JSON-able or with a text of their own.
    """
    text = json.dumps(inputs, sort_keys=True, default=_as_json)
    return hashlib.sha256((code_fingerprint(*sorted(code)) + text).encode()).hexdigest()


@dataclass(frozen=True)
class Stamp:
    """A file that says from what a piece of work was last made, and what it said of itself; written when it is done."""

    path: Path

    def says(self, made_from: str) -> bool:
        """Whether the work was done from exactly this."""
        return bool(self._content().get("made_from") == made_from)

    def facts(self) -> dict[str, Any]:
        """What was recorded with the work; empty before it was done."""
        return dict(self._content().get("facts", {}))

    def write(self, made_from: str, facts: Mapping[str, Any] | None = None) -> None:
        """Record it, whole or not at all."""
        text = json.dumps({"made_from": made_from, "facts": dict(facts or {})})
        replace_file(self.path, lambda draft: draft.write_text(text, encoding="utf-8"))

    def clear(self) -> None:
        """Forget it: before work that overwrites several things, so that a kill between them is seen."""
        self.path.unlink(missing_ok=True)

    def _content(self) -> dict[str, Any]:
        if not self.path.is_file():
            return {}
        content = json.loads(self.path.read_text(encoding="utf-8"))
        return content if isinstance(content, dict) else {}


@cache
def _content(file: Path, mtime_ns: int) -> bytes:  # noqa: ARG001 - a file that was written since is another one
    return file.read_bytes()


@cache
def _imports(text: str, package: tuple[str, ...]) -> frozenset[tuple[str, ...]]:
    """Every module that the text of a module of `package` may import, as its parts; names that are no module too."""
    found: set[tuple[str, ...]] = set()
    for node in _run_time(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {tuple(alias.name.split(".")) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = (*base, *(node.module.split(".") if node.module else ()))
            found |= {module, *((*module, alias.name) for alias in node.names)}
    return frozenset(found)


def _run_time(node: ast.AST) -> Iterator[ast.AST]:
    """Statements that run below `node`; no expression is looked into, for none imports."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            for other in child.orelse:
                yield other
                yield from _run_time(other)
            continue
        yield child
        yield from _run_time(child)


@cache
def _module_files(module: tuple[str, ...], root: Path) -> list[Path]:
    """The module's file and the packages that an import of it runs; nothing for a module outside the rooms."""
    if not module or module[0] == CALLER or not (root / module[0] / "__init__.py").is_file():
        return []
    packages = [root.joinpath(*module[:depth], "__init__.py") for depth in range(1, len(module) + 1)]
    return [file for file in (*packages, root.joinpath(*module).with_suffix(".py")) if file.is_file()]


def _as_json(value: object) -> object:
    # The order of a set changes from process to process.
    return sorted(map(str, value)) if isinstance(value, set | frozenset) else str(value)

"""Which modules of this repository a service imports, found by reading the code: a bento carries these and no more."""

import ast
from pathlib import Path

ROOMS = frozenset({"orchestration", "features", "models", "serving", "data_checks", "edge", "sources"})


def module_files(entry: str, root: Path) -> tuple[Path, ...]:
    """Files of `entry` and of all that it imports from the rooms under `root`, function-level imports included."""
    pending, found = [entry], dict[str, Path]()
    while pending:
        module = pending.pop()
        if module in found:
            continue
        file = _file(module, root)
        if file is None:
            continue
        found[module] = file
        pending += _imported(file, module, is_package=file.name == "__init__.py")
    return tuple(sorted(found.values()))


def _file(module: str, root: Path) -> Path | None:
    base = root.joinpath(*module.split("."))
    for file in (base / "__init__.py", base.with_suffix(".py")):
        if file.is_file():
            return file
    return None  # an attribute of a module, such as a class


def _imported(file: Path, module: str, *, is_package: bool) -> list[str]:
    names: list[str] = []
    package = module if is_package else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), filename=str(file))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base]) if base else ".".join(above)
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    ours = [name for name in names if name.split(".")[0] in ROOMS]
    return [
        ".".join(parts[:depth]) for parts in (name.split(".") for name in ours) for depth in range(1, len(parts) + 1)
    ]

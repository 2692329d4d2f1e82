"""Which distributions a service needs, pinned and hashed as in the lock file; nothing of the training stack."""

import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

# What the serving code imports itself, and the two that make uvicorn fast.
SERVICE_ROOTS = (
    "bentoml", "httptools", "jinja2", "numpy", "onnxruntime", "prometheus-client", "psutil", "pydantic", "pydantic-settings",
    "safetensors", "uvloop",
)  # fmt: skip
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==")


class RequirementsError(ValueError):
    """The lock file cannot pin what a service needs; the message names the distribution and the remedy."""


def pinned(lock: Path, roots: Iterable[str] = SERVICE_ROOTS) -> str:
    """Lines of the lock file for `roots` and all they need here, hashes included."""
    blocks = _blocks(lock.read_text(encoding="utf-8"))
    wanted = closure(roots)
    if missing := sorted(wanted - blocks.keys()):
        raise RequirementsError(f"{lock} does not pin {', '.join(missing)}: run `make lock`")
    return "".join(blocks[name] for name in sorted(wanted))


def closure(roots: Iterable[str]) -> set[str]:
    """Names of `roots` and of everything they need on this interpreter, optional extras left out unless asked for."""
    from packaging.requirements import Requirement

    found: set[str] = set()
    pending = [(_canonical(root), "") for root in roots]
    seen: set[tuple[str, str]] = set()
    while pending:
        name, extra = pending.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        found.add(name)
        try:
            lines = requires(name) or []
        except PackageNotFoundError as error:
            raise RequirementsError(f"{name} is not installed: run `make setup`") from error
        for line in lines:
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                pending += [(_canonical(needed.name), wanted) for wanted in ("", *needed.extras)]
    return found


def _blocks(lock: str) -> dict[str, str]:
    """Each pin with its hashes, by canonical name; comments dropped."""
    blocks: dict[str, str] = {}
    name = ""
    for line in lock.splitlines():
        if match := _PIN.match(line):
            name = _canonical(match[1])
            blocks[name] = blocks.get(name, "") + f"{line}\n"  # a universal lock may pin one name twice, with markers
        elif name and line.lstrip().startswith("--hash="):
            blocks[name] += f"{line}\n"
    return blocks


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()

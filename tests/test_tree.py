"""The shape of the repository: what may lie where, how long a file may be, and that pages need no internet."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = {"orchestration", "features", "models", "serving", "data_checks", "edge", "sources"}
TOP_LEVEL = ROOMS | {
    *("tests", "dvc.yaml", "dvc.lock", "params.yaml", "pyproject.toml", "README.md"),
    *(
        "Makefile",
        "LICENSE",
        "requirements.lock",
        ".ci",
        ".github",
        ".dvc",
        ".dvcignore",
        ".gitignore",
        ".gitattributes",
    ),
}
MAX_LINES = 320
FETCHES = re.compile(  # ways in which a page or a style sheet pulls something from another host
    r"""<(?:script|img|iframe|source|link)\b[^>]*\b(?:src|href)\s*=\s*["']?(?:https?:)?//|@import\s+(?:url\()?["']?(?:https?:)?//"""
    r"""|url\(\s*["']?(?:https?:)?//""",
    re.IGNORECASE,
)


def tracked(*patterns: str) -> list[Path]:
    """Files of the repository (committed or about to be), never build outputs."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_top_level_holds_only_the_planned_rooms() -> None:
    found = {path.relative_to(ROOT).parts[0] for path in tracked()}
    assert found <= TOP_LEVEL, f"not in the plan: {sorted(found - TOP_LEVEL)}"
    assert found >= ROOMS | {"tests", "pyproject.toml", "README.md", "LICENSE", "requirements.lock", "Makefile"}


def test_python_files_stay_short_enough_to_read() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in tracked("*.py")}
    assert lengths
    too_long = {str(path.relative_to(ROOT)): lines for path, lines in lengths.items() if lines >= MAX_LINES}
    assert not too_long, f"split these ({MAX_LINES} lines is the bound): {too_long}"


def test_pages_fetch_nothing_from_another_host() -> None:
    pages = [p for p in tracked() if p.suffix in {".html", ".css", ".js", ".j2", ".jinja", ".svg"} or p.suffix == ".py"]
    fetching = {
        str(page.relative_to(ROOT)): match.group(0)
        for page in pages
        if page != Path(__file__) and (match := FETCHES.search(page.read_text(encoding="utf-8")))
    }
    assert not fetching, f"these would look bare without internet: {fetching}"


@pytest.mark.parametrize(
    ("markup", "fetches"),
    [
        ('<script src="https://cdn.example/x.js">', True),
        ('<link rel="stylesheet" href="//cdn.example/x.css">', True),
        ("@import url(https://fonts.example/a.css);", True),
        ("background: url('https://x.example/a.png')", True),
        ('<a href="https://spec.example/">the specification</a>', False),
        ('<svg xmlns="http://www.w3.org/2000/svg">', False),
        ('<script src="/static/app.js">', False),
    ],
)
def test_the_page_check_sees_a_fetch(markup: str, fetches: bool) -> None:
    assert bool(FETCHES.search(markup)) is fetches


def test_packages_say_what_they_are() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in tracked("*__init__.py")
        if not path.read_text(encoding="utf-8").lstrip().startswith(('"""', 'r"""'))
    ]
    assert not silent, f"a package's first line is its docstring: {silent}"
    assert not tracked("tests/**/__init__.py", "tests/__init__.py")


def test_nothing_is_left_to_do_later() -> None:
    word = re.compile(r"\b(?:TO" + "DO|FIX" + r"ME|XX" + r"X)\b")
    marked = [
        str(p.relative_to(ROOT))
        for p in tracked("*.py", "*.md", "*.yaml", "*.yml")
        if word.search(p.read_text("utf-8"))
    ]
    assert not marked

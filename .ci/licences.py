"""Writes the licence table of the direct dependencies into README.md, between its `licences` markers."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- licences:begin -->", "<!-- licences:end -->"
# Words that packages use for the same licence -> SPDX identifier. All of them go together with AGPL-3.0-or-later.
KNOWN = {
    "MIT": r"\bmit\b",
    "Apache-2.0": r"apache",
    "BSD-3-Clause": r"bsd.?3|3.clause|new bsd|modified bsd",
    "BSD-2-Clause": r"bsd.?2|2.clause",
    "BSD": r"\bbsd\b",
    "MPL-2.0": r"mpl.?2|mozilla public license 2",
    "PSF-2.0": r"python software foundation|psf",
    "ISC": r"\bisc\b",
    "AGPL-3.0-or-later": r"agpl",
    "GPL-3.0-or-later": r"\bgpl-?v?3(\.0)?(\+|-or-later)",
    "LGPL-3.0": r"\blgpl-?v?3",
}


def direct_dependencies() -> dict[str, set[str]]:
    """Distribution name -> extras that ask for it ("base" for everyone)."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {"base": project["dependencies"], **project["optional-dependencies"]}
    found: dict[str, set[str]] = {}
    for group, entries in groups.items():
        for entry in entries:
            name = re.split(r"[\[<>=!~; ]", entry, maxsplit=1)[0].lower()
            found.setdefault(name, set()).add(group)
    return dict(sorted(found.items()))


def spdx(declared: str) -> str:
    """SPDX identifier(s) of a declared licence, or `unknown`; an SPDX expression stays as it is."""
    if re.fullmatch(r"[\w.+()-]+(?: (?:AND|OR|WITH) [\w.+()-]+)+", declared):
        return declared
    plain = " ".join(declared.split())[:200].lower()
    names = [name for name, pattern in KNOWN.items() if re.search(pattern, plain)]
    specific = [name for name in names if not (name == "BSD" and any(other.startswith("BSD-") for other in names))]
    return " / ".join(specific) or "unknown"


def licences(names: list[str]) -> dict[str, str]:
    """Distribution name -> SPDX identifier(s), as pip-licenses reads them from the installed packages."""
    command = [
        sys.executable,
        "-m",
        "piplicenses",
        "--python",
        sys.executable,
        "--from",
        "mixed",
        "--format",
        "json",
        "--with-system",
        "--packages",
    ]
    listed = json.loads(subprocess.run([*command, *names], capture_output=True, text=True, check=True).stdout)
    return {entry["Name"].lower().replace("_", "-"): spdx(entry["License"]) for entry in listed}


def table() -> str:
    """Markdown table, one row a direct dependency."""
    direct = direct_dependencies()
    found = licences(list(direct))
    rows = [
        f"| {name} | {found.get(name, 'unknown')} | {', '.join(sorted(extras))} |" for name, extras in direct.items()
    ]
    return "\n".join(["| package | licence | asked for by |", "|---|---|---|", *rows])


def main() -> int:
    """Rewrite README.md; 1 when a licence is unknown."""
    readme = ROOT / "README.md"
    head, rest = readme.read_text(encoding="utf-8").split(BEGIN, 1)
    tail = rest.split(END, 1)[1]
    written = table()
    readme.write_text(f"{head}{BEGIN}\n{written}\n{END}{tail}", encoding="utf-8")
    unknown = [row for row in written.splitlines() if "| unknown |" in row]
    sys.stdout.write(
        f"README.md: {len(direct_dependencies())} direct dependencies\n"
        + "".join(f"unknown: {row}\n" for row in unknown)
    )
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())

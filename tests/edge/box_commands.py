"""`storeloop edge` as tests give it. Not a test."""

import json
from typing import Any

from typer.testing import CliRunner

from edge.cli import app


def command(*arguments: Any, code: int = 0) -> dict[str, Any]:
    """The last line that a command prints as JSON, once it ended with `code`."""
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout.splitlines()[-1])

"""The page at `/`: Swagger UI from BentoML's own files, without the third-party scripts that its page loads."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from serving.front_door import Page

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Storeloop: {title}</title>
<link rel="stylesheet" href="./static_content/swagger-ui.css">
<link rel="icon" type="image/png" href="./static_content/favicon-light-32x32.png">
<style>body {{ margin: 0 }} .topbar {{ display: none }}</style>
</head>
<body>
<div id="swagger-ui"></div>
<script src="./static_content/swagger-ui-bundle.js"></script>
<script src="./static_content/swagger-ui-standalone-preset.js"></script>
<script src="./static_content/swagger-initializer.js"></script>
</body>
</html>
"""


def index_page(title: str) -> Callable[[], Page]:
    """Page that shows `./docs.json`."""
    page = ("text/html; charset=utf-8", _PAGE.format(title=title).encode())
    return lambda: page


def docs_page(
    spec: Callable[[], Mapping[str, Any]],
    describe: Callable[[dict[str, Any]], None],
    examples: Mapping[str, Any],
) -> Callable[[], Page]:
    """OpenAPI document: BentoML's `spec`, put right in place by `describe`, with `examples` (placeholder -> real value, any JSON).

    Made again only when an example has changed, so that what the page offers to try works as it stands.
    """
    made: dict[str, Page] = {}

    def page() -> Page:
        key = json.dumps(dict(examples))
        if key not in made:
            document = json.loads(json.dumps(spec()))
            describe(document)
            text = json.dumps(document)
            for placeholder, value in examples.items():
                text = text.replace(json.dumps(placeholder), json.dumps(value))
            made.clear()
            made[key] = ("application/json", text.encode())
        return made[key]

    return page

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


def docs_page(spec: Callable[[], Mapping[str, Any]], describe: Callable[[dict[str, Any]], None]) -> Callable[[], Page]:
    """OpenAPI document made once, when first asked for: BentoML's `spec`, put right in place by `describe`."""
    made: list[Page] = []

    def page() -> Page:
        if not made:
            document = json.loads(json.dumps(spec()))
            describe(document)
            made.append(("application/json", json.dumps(document).encode()))
        return made[0]

    return page

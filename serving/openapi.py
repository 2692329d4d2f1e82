"""Puts BentoML's OpenAPI document right: our errors, one schema a name, examples, no adverts."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from serving.forms import MEDIA_TYPE, Form

REFUSALS = {
    "400": "The request breaks a bound; the answer names it.",
    "404": "What is asked about is unknown; the answer names it.",
    "413": "The body is larger than this service accepts.",
    "415": "The content type is not application/json.",
    "503": "No champion has been promoted yet, or this cannot be answered now.",
}
EXAMPLES = {
    "413": "the body is larger than 1048576 bytes",
    "415": "this service reads application/json only",
    "503": "no champion has been promoted yet",
}
REFUSAL = {
    "type": "object",
    "description": "Why a request was not answered.",
    "properties": {
        "error": {"type": "string"},
        "detail": {"type": "array", "items": {"type": "object"}, "description": "Field by field, if it is malformed."},
    },
    "required": ["error"],
}
NOT_OURS = frozenset({"TaskStatusResponse", "InvalidArgument", "NotFound", "InternalServerError"})
GENERATED = "IODescriptor"  # what BentoML appends to the name of a schema


def describe(
    title: str, about: str, *, bad: str, unknown: str, forms: Mapping[str, Form] | None = None
) -> Callable[[dict[str, Any]], None]:
    """Give the function that changes BentoML's document in place; `bad` and `unknown` are what a 400 and a 404 may say, paths of
    `forms` read such."""
    examples = EXAMPLES | {"400": bad, "404": unknown}

    def change(document: dict[str, Any]) -> None:
        plain = json.loads(json.dumps(document).replace(GENERATED, ""))
        document.clear()
        document.update(plain)
        document["openapi"] = "3.1.0"  # pydantic's schemas are of that version
        document["info"] = {
            "title": f"Storeloop: {title}",
            "description": about,
            "version": document["info"]["version"],
        }
        document["paths"].pop("/healthz", None)
        schemas = {name: schema for name, schema in document["components"]["schemas"].items() if name not in NOT_OURS}
        for schema in schemas.values():
            schema.pop("root_input", None)
        document["components"]["schemas"] = {**schemas, "Refusal": REFUSAL}
        document["tags"] = [
            {"name": "Service APIs", "description": "What this bot answers."},
            {"name": "Infrastructure", "description": "Health and metrics."},
        ]
        for path, item in document["paths"].items():
            if "post" in item:
                _operation(path, item["post"], examples)
        for path, form in (forms or {}).items():
            _as_form(document["paths"][path]["post"], form)

    return change


def _operation(path: str, operation: dict[str, Any], examples: Mapping[str, str]) -> None:
    summary, _, rest = operation.get("description", "").strip().partition("\n")
    operation["summary"], operation["description"] = summary, " ".join(rest.split())
    operation["operationId"] = path.strip("/")
    _by_name(operation["requestBody"])
    operation["requestBody"]["required"] = True
    good = operation["responses"]["200"]
    _by_name(good)
    operation["responses"] = {
        "200": good,
        **{status: _refusal(text, examples[status]) for status, text in REFUSALS.items()},
    }


def _as_form(operation: dict[str, Any], form: Form) -> None:
    operation["requestBody"]["content"] = {MEDIA_TYPE: {"schema": form.schema()}}
    other = f"The content type is not {MEDIA_TYPE}."
    operation["responses"]["415"] = _refusal(other, f"this path reads {MEDIA_TYPE} only")


def _refusal(text: str, example: str) -> dict[str, Any]:
    media = {"schema": _reference("Refusal"), "example": {"error": example}}
    return {"description": text, "content": {"application/json": media}}


def _by_name(part: dict[str, Any]) -> None:
    """Point to the schema instead of repeating it: BentoML's copies lose what is optional."""
    media = part["content"]["application/json"]
    media["schema"] = _reference(media["schema"]["title"])


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}

"""Forms with files (multipart/form-data, RFC 7578) as the JSON that a service reads.

BentoML's own reading of forms is never reached: it downloads from whatever address a caller puts in the place of a file.
"""

from base64 import b64encode
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json
from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

MEDIA_TYPE = "multipart/form-data"
FLAGS: Mapping[str, bool] = {"true": True, "false": False}


class FormError(ValueError):
    """A body that is no form of this kind; the message names the field, what was found, and the remedy."""


class _Parser(MultiPartParser):
    """Also knows whether the last boundary came: of a form that is cut off, what lacks would else be as if it was never meant."""

    ended = False

    def on_end(self) -> None:
        self.ended = True


@dataclass(frozen=True)
class Form:
    """How a form is read: `model` is the request that it becomes, with `files` as base64 text (RFC 4648, section 4).

    Other fields are text, numbers and flags as the model's schema has them; all are flat. An optional one that is empty was left
    out: that is how browsers send it.
    """

    model: type[BaseModel]
    files: tuple[str, ...]

    @cached_property
    def required(self) -> frozenset[str]:
        """Fields that the model cannot do without."""
        return frozenset(name for name, field in self.model.model_fields.items() if field.is_required())

    @cached_property
    def kinds(self) -> Mapping[str, str]:
        """Field -> its JSON type; an optional one's is that which is not null."""
        return {name: _kind(schema) for name, schema in self.model.model_json_schema()["properties"].items()}

    def schema(self) -> dict[str, Any]:
        """JSON schema of the form, for an OpenAPI document: fields as the model has them, files as files."""
        told = self.model.model_json_schema()
        fields = {name: _shown(field, name in self.files) for name, field in told["properties"].items()}
        return {"type": "object", "properties": fields, "required": told["required"], "additionalProperties": False}

    async def to_json(self, content_type: str, body: bytes) -> bytes:
        """The request as JSON; whether its values are within bounds is the model's to say. FormError for a body that is no form."""
        form = await read_form(content_type, body, max_files=len(self.files), max_fields=len(self.kinds))
        told: dict[str, Any] = {}
        try:
            for name, value in form.multi_items():
                if name not in self.kinds:
                    raise FormError(f"unknown field {name[:80]!r}: there are {', '.join(self.kinds)}")
                if name in told:
                    raise FormError(f"{name}: given twice: send it once")
                content = await value.read() if isinstance(value, UploadFile) else value
                if not content and name not in self.required:
                    continue
                if isinstance(content, bytes) != (name in self.files):
                    wanted = "a file" if name in self.files else "text"
                    raise FormError(f"{name}: send it as {wanted} (only a file has a filename)")
                told[name] = b64encode(content).decode() if isinstance(content, bytes) else self._read(name, content)
        finally:
            await form.close()
        return to_json(told)

    def _read(self, name: str, text: str) -> Any:
        kind = self.kinds[name]
        if kind == "boolean":
            if text not in FLAGS:
                raise FormError(f"{name}: {text[:80]!r}: send true or false")
            return FLAGS[text]
        if kind == "number":
            try:
                return float(text)
            except ValueError as error:
                raise FormError(
                    f"{name}: {text[:80]!r} is no number: send digits, with a point for fractions"
                ) from error
        return text


async def read_form(content_type: str, body: bytes, *, max_files: int, max_fields: int) -> FormData:
    """Fields and files of a body, to be closed by the caller. FormError for a body that is no form, is cut off or has more of them."""

    async def whole() -> AsyncGenerator[bytes, None]:
        yield body

    headers = Headers({"content-type": content_type})
    parser = _Parser(headers, whole(), max_files=max_files, max_fields=max_fields, max_part_size=max(len(body), 1))
    try:
        form = await parser.parse()
    except (MultiPartException, FormParserError, ValueError, LookupError) as error:  # boundaries and charsets too
        said = getattr(error, "message", str(error)) or type(error).__name__
        raise FormError(
            f"no form can be read ({said[:200]}): send {MEDIA_TYPE}, at most {max_files} files and {max_fields} fields"
        ) from error
    if not parser.ended:
        await form.close()
        raise FormError(f"the form is cut off after {len(body):,} bytes: send it again, with its last boundary")
    return form


def _kind(schema: Mapping[str, Any]) -> str:
    kinds = [each["type"] for each in schema.get("anyOf", [schema]) if each["type"] != "null"]
    return str(kinds[0])


def _shown(schema: Mapping[str, Any], file: bool) -> dict[str, Any]:
    shown = {name: schema[name] for name in ("description", "examples", "default") if schema.get(name) is not None}
    if file:
        return {"type": "string", "format": "binary", **shown}
    bounds = next(each for each in schema.get("anyOf", [schema]) if each["type"] != "null")
    told = ("type", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum")
    return {**{name: bounds[name] for name in told if name in bounds}, **shown}

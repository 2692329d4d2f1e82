"""How an answer becomes a response, and what a request that cannot be answered is told."""

from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Iterable, Sequence
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response

JSON = "application/json"
NAMED_AT_MOST = 10


class Refusal(Exception):
    """A request that is understood but cannot be answered: HTTP status and a sentence for the caller."""

    def __init__(self, status: int, error: str, *, retry_after_s: int | None = None, **detail: object) -> None:
        super().__init__(error)
        self.status, self.error, self.retry_after_s, self.detail = status, error, retry_after_s, detail

    def body(self) -> bytes:
        """The JSON sent to the caller."""
        return to_json({"error": self.error, **self.detail})

    def headers(self) -> dict[str, str]:
        """Those of the answer beside its kind (RFC 9110, section 10.2.3)."""
        return {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}


async def reply(answer: Awaitable[bytes]) -> Response:
    """Make the response here: a second pass of the finished JSON through its schema would cost more than the model."""
    try:
        return Response(await answer, media_type=JSON)
    except Refusal as refusal:
        return Response(refusal.body(), refusal.status, refusal.headers(), JSON)


async def reply_with_status(ctx: Any, answer: Awaitable[bytes]) -> Response:
    """`reply` of a method that asks for BentoML's context, whose status it puts over that of the response."""
    response = await reply(answer)
    ctx.response.status_code = response.status_code
    return response


def named(names: Iterable[str]) -> str:
    """The first few of some names, and how many more there are."""
    listed = list(names)
    rest = f" and {len(listed) - NAMED_AT_MOST} more" if len(listed) > NAMED_AT_MOST else ""
    return ", ".join(repr(name) for name in listed[:NAMED_AT_MOST]) + rest


def page(ids: Sequence[str], prefix: str, after: str, limit: int) -> tuple[list[str], dict[str, object]]:
    """Up to `limit` of the sorted ids that have this prefix and follow `after`; and the rest of a `PageReply`."""
    first = bisect_left(ids, prefix)
    last = bisect_left(ids, prefix + chr(0x10FFFF)) if prefix else len(ids)
    start = max(first, bisect_right(ids, after)) if after else first
    end = min(start + limit, last)
    shown = list(ids[start:end])
    return shown, {"total": last - first, "next_after": shown[-1] if end < last else None}

"""Time stamps on heads: an authority that neither owns the ledger nor its clock says that a head was there by then (RFC 3161).

A stamp lies beside its head as any tool expects it: `openssl ts -verify -data HEAD -in HEAD.tsr -CAfile ROOT`.
"""

import http.client
import time
import urllib.request
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from rfc3161_client import TimeStampResponse, VerifierBuilder

LARGEST_REPLY = 1 << 16  # bytes


class StampError(ValueError):
    """A stamp that was not given or stamps something else; the message says why."""


def read_roots(file: Path) -> "list[Certificate]":
    """Certificates (PEM) of the authorities that are trusted, with those between where there are some."""
    from cryptography.x509 import load_pem_x509_certificates

    try:
        return load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError) as error:
        raise StampError(f"{file} holds no certificate (PEM): {error}; ask the authority for its root") from error


def stamp(note: str, authority: str, roots: "Sequence[Certificate]", *, timeout_s: float) -> tuple[bytes, datetime]:
    """The authority's answer on a note, checked, and the time that it states (UTC). authority: http:// or https://.

    The certificates must be those of `roots` or signed by them, the answer of at most 64 KiB and there within `timeout_s` seconds.
    """
    from rfc3161_client import HashAlgorithm, TimestampRequestBuilder, VerifierBuilder

    if not authority.startswith(("http://", "https://")):
        raise StampError(f"{authority[:80]!r} is no address of a time-stamping authority: give http:// or https://")
    request = TimestampRequestBuilder(data=note.encode(), hash_algorithm=HashAlgorithm.SHA256).build()
    try:
        answer = _asked(authority, request.as_bytes(), timeout_s)
    except (OSError, http.client.HTTPException) as error:
        raise StampError(f"{authority} gave no stamp within {timeout_s:g} s: {error}; try again later") from error
    return answer, _checked(note, answer, VerifierBuilder.from_request(request), roots).tst_info.gen_time


def check_stamp(note: str, answer: bytes, roots: "Sequence[Certificate]") -> datetime:
    """When the authority saw a note (UTC); StampError where it did not, or is none of `roots`."""
    from rfc3161_client import VerifierBuilder

    return _checked(note, answer, VerifierBuilder(), roots).tst_info.gen_time


def _checked(
    note: str, answer: bytes, verifier: "VerifierBuilder", roots: "Sequence[Certificate]"
) -> "TimeStampResponse":
    from rfc3161_client import VerificationError, decode_timestamp_response

    try:
        response = decode_timestamp_response(answer)
        for root in roots:
            verifier = verifier.add_root_certificate(root)
        verifier.build().verify_message(response, note.encode())
    except (ValueError, VerificationError) as error:
        raise StampError(f"the stamp is not one of these authorities on this head: {error}") from error
    return response


def _asked(authority: str, request: bytes, timeout_s: float) -> bytes:
    told = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
    ends, answer = time.monotonic() + timeout_s, b""
    question = urllib.request.Request(authority, request, told)  # noqa: S310 - the scheme was checked above
    with urllib.request.urlopen(question, timeout=timeout_s) as reply:  # noqa: S310
        while part := reply.read1(8_192):
            answer += part
            if len(answer) > LARGEST_REPLY:
                raise OSError(f"it answers with over {LARGEST_REPLY:,} bytes")
            if time.monotonic() > ends:
                raise TimeoutError("it answers too slowly")
    return answer

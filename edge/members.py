"""Members of a tar file from nobody knows whom, front to back: a header is one block of 512 bytes, or an error.

`tarfile.open` follows headers about headers (long names, PAX records, sparse maps), as large and as many as they claim, before it
tells the first member. A signed bundle needs none of them.
"""

import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

_CHUNK = 1 << 20


class MemberError(ValueError):
    """A tar file that ends too soon, or a block that is no header; the message says where."""


@dataclass(frozen=True)
class Member:
    """What a header tells: `plain` where it is of a file, and nothing else."""

    name: str
    size: int
    plain: bool


def members(stream: IO[bytes]) -> Iterator[Member]:
    """Members up to the block that ends the tar, each with `stream` at its content; MemberError for one that is longer than what
    is there. What a member that is not plain means is not followed: leave off there."""
    whole, offset = os.fstat(stream.fileno()).st_size, 0
    while True:
        stream.seek(offset)
        if (block := stream.read(tarfile.BLOCKSIZE)) == bytes(tarfile.BLOCKSIZE):
            return
        try:
            told = tarfile.TarInfo.frombuf(block, "ascii", "surrogateescape")
        except (tarfile.HeaderError, ValueError) as error:
            raise MemberError(f"byte {offset}: {error}, a header is asked") from error
        offset += tarfile.BLOCKSIZE
        if not 0 <= told.size <= whole - offset:
            raise MemberError(f"byte {offset}: {told.size} bytes of {told.name!r} are told, {whole - offset} are there")
        yield Member(told.name, told.size, told.type in {tarfile.REGTYPE, tarfile.AREGTYPE})
        offset += -(-told.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def chunks(stream: IO[bytes], size: int) -> Iterator[bytes]:
    """The next `size` bytes of a stream, or what is left of it, a mebibyte at a time."""
    while size > 0 and (chunk := stream.read(min(size, _CHUNK))):
        size -= len(chunk)
        yield chunk

"""Headers of a bundle file that nobody has signed yet: whatever they claim, a BundleError, and little memory."""

import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from edge.bundle import HEADER_MAX_BYTES, MANIFEST, SIGNATURE, BundleError, build, unpack, verify
from models.common.keys import generate_keys, read_private_key, read_public_key

FILES = {"artifact/model.onnx": bytes(range(256)) * 5, "state/state.json": b"{}"}
BLOCK = 512
# Field of a header -> where it begins and ends (POSIX.1-1988, ustar).
FIELDS = {
    "name": (0, 100), "mode": (100, 108), "uid": (108, 116), "size": (124, 136), "mtime": (136, 148), "type": (156, 157),
    "link": (157, 257), "magic": (257, 265), "prefix": (345, 500),
}  # fmt: skip


class Signed:
    """A bundle and the key that it is signed with."""

    def __init__(self, folder: Path) -> None:
        for name, content in FILES.items():
            (folder / "release" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "release" / name).write_bytes(content)
        generate_keys(folder / "s.pem", folder / "t.pem")
        self.bundle, self.key = folder / "a.bundle", read_public_key(folder / "t.pem")
        signing = read_private_key(folder / "s.pem")
        build(folder / "release", self.bundle, signing, bot="forecaster", revision=7, artifact_id="a")
        with tarfile.open(self.bundle) as tar:
            self.headers = [member.offset for member in tar]


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return Signed(tmp_path_factory.mktemp("signed"))


def summed(block: bytes) -> bytes:
    """The header with the checksum that it must have."""
    bare = block[:148] + b" " * 8 + block[156:]
    return bare[:148] + b"%06o\0 " % sum(bare) + bare[156:]


def header(name: bytes, kind: bytes, size: bytes) -> bytes:
    block = bytearray(BLOCK)
    block[: len(name)], block[124:136], block[156:157] = name, size.ljust(12, b"\0"), kind
    block[100:108], block[136:148], block[257:265] = b"0000644\0", b"00000000000\0", b"ustar\x0000"
    return summed(bytes(block))


def huge(size: int) -> bytes:
    """Base 256, GNU's way for what eleven octal digits do not hold."""
    return b"\x80" + size.to_bytes(11, "big")


LONG_NAME, LONG_LINK, PAX, PAX_ALL, SPARSE = b"L", b"K", b"x", b"g", b"S"


@pytest.mark.parametrize("kind", [LONG_NAME, LONG_LINK, PAX, PAX_ALL, SPARSE, b"0", b"\0", b"7", b"5"])
@pytest.mark.parametrize("size", [huge(1 << 60), huge(1 << 35), b"77777777777", b"\xff" * 12, b"00040000001"])
def test_a_small_file_that_claims_much_is_refused_at_its_first_block(
    signed: Signed, tmp_path: Path, grown: Callable[[], int], kind: bytes, size: bytes
) -> None:
    """1.5 kB made MemoryError, OverflowError or a gigabyte of them, before anybody asked who signed it."""
    name = MANIFEST.encode()
    (tmp_path / "small").write_bytes(header(name, kind, size) + bytes(2 * BLOCK))
    with pytest.raises(BundleError, match="does not begin with"):
        verify(tmp_path / "small", signed.key)
    assert grown() < 50e6
    assert HEADER_MAX_BYTES < 0o40000001


@pytest.mark.parametrize("kind", [LONG_NAME, PAX])
def test_headers_about_headers_are_not_followed(signed: Signed, tmp_path: Path, kind: bytes) -> None:
    """3 MB of names of names made RecursionError."""
    nested = header(b"x", kind, b"00000000004") + b"name".ljust(BLOCK, b"\0")
    (tmp_path / "deep").write_bytes(nested * 3_000 + signed.bundle.read_bytes())
    with pytest.raises(BundleError, match="does not begin with"):
        verify(tmp_path / "deep", signed.key)


@pytest.mark.parametrize(
    "change",
    [
        lambda whole, at: whole[: at[2]] + header(b"n", LONG_NAME, huge(1 << 40)) + whole[at[2] :],
        lambda whole, at: whole[: at[3]] + header(b"n", PAX, b"00000000100") + bytes(BLOCK) + whole[at[3] :],
        lambda whole, at: whole[: at[2]] + bytes(BLOCK) + whole[at[2] :],
        lambda whole, at: whole[: at[3] + 2 * BLOCK],
        lambda whole, at: whole[: at[3] + 2 * BLOCK] + b"x" * BLOCK + whole[at[3] + 2 * BLOCK :],
    ],
    ids=["long name", "pax", "end too soon", "no end", "more behind"],
)
def test_what_comes_after_the_signature_is_read_as_strictly(
    signed: Signed, tmp_path: Path, change: Callable[[bytes, list[int]], bytes]
) -> None:
    (tmp_path / "changed").write_bytes(change(signed.bundle.read_bytes(), signed.headers))
    with pytest.raises(BundleError):
        unpack(tmp_path / "changed", signed.key, tmp_path / "there")
    assert not (tmp_path / "there").exists()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    number=st.integers(0, 3),
    changes=st.lists(st.tuples(st.sampled_from(sorted(FIELDS)), st.binary(min_size=1, max_size=155)), max_size=4),
    before=st.lists(
        st.tuples(st.sampled_from([LONG_NAME, LONG_LINK, PAX, PAX_ALL, SPARSE, b"0"]), st.integers(0, 1 << 63)),
        max_size=3,
    ),
)
@example(number=0, changes=[("size", b"\xff" * 12)], before=[])
@example(number=0, changes=[("size", b"-0000000001\0")], before=[])
@example(number=2, changes=[("type", b"L")], before=[(PAX, 1 << 62)])
def test_any_header_is_refused_or_of_no_effect(
    signed: Signed, tmp_path: Path, number: int, changes: list[tuple[str, bytes]], before: list[tuple[bytes, int]]
) -> None:
    whole, at = signed.bundle.read_bytes(), signed.headers[number]
    block = bytearray(whole[at : at + BLOCK])
    for field, value in changes:
        begin, end = FIELDS[field]
        block[begin:end] = value[: end - begin].ljust(end - begin, b"\0")
    extra = b"".join(header(b"n", kind, huge(size)) for kind, size in before)
    (tmp_path / "changed").write_bytes(whole[:at] + extra + summed(bytes(block)) + whole[at + BLOCK :])
    folder = tmp_path / "there"
    try:
        unpack(tmp_path / "changed", signed.key, folder)
    except BundleError:
        assert not folder.exists()
    else:
        found = {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
        assert {name: found[name] for name in found.keys() - {MANIFEST, SIGNATURE}} == FILES
        shutil.rmtree(folder)

"""Bundles: what is signed is what runs, to the last byte."""

import io
import json
import shutil
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.bundle import MANIFEST, SIGNATURE, BundleError, BundleManifest, build, safe_name, unpack, verify
from models.common.keys import KeyFileError, generate_keys, key_id, read_private_key, read_public_key, sign

FILES = {"artifact/manifest.json": b'{"a": 1}', "artifact/model.onnx": bytes(range(256)) * 5, "state/state.json": b"{}"}


class Signed:
    """A release, a key pair and the bundle made of them."""

    def __init__(self, folder: Path) -> None:
        self.release, self.private, self.public = folder / "release", folder / "signing.pem", folder / "trusted.pem"
        for name, content in FILES.items():
            (self.release / name).parent.mkdir(parents=True, exist_ok=True)
            (self.release / name).write_bytes(content)
        generate_keys(self.private, self.public)
        self.key = read_public_key(self.public)
        self.bundle = folder / "forecaster.bundle"
        self.manifest = self.build(self.bundle)

    def build(self, out: Path, revision: int = 7) -> BundleManifest:
        key = read_private_key(self.private)
        return build(self.release, out, key, bot="forecaster", revision=revision, artifact_id="a" * 64)


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return Signed(tmp_path_factory.mktemp("signed"))


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_round_trip_gives_back_the_release(signed: Signed, tmp_path: Path) -> None:
    assert unpack(signed.bundle, signed.key, tmp_path / "there") == signed.manifest
    assert {n: c for n, c in contents(tmp_path / "there").items() if n not in {MANIFEST, SIGNATURE}} == FILES
    assert verify(tmp_path / "there", signed.key) == verify(signed.bundle, signed.key) == signed.manifest


def test_same_release_and_key_give_the_same_bytes(signed: Signed, tmp_path: Path) -> None:
    for file in signed.release.rglob("*"):  # neither times nor modes get in
        file.touch()
    (signed.release / "state/state.json").chmod(0o600)
    signed.build(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == signed.bundle.read_bytes()
    signed.build(tmp_path / "later", revision=8)
    assert (tmp_path / "later").read_bytes() != signed.bundle.read_bytes()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_changed_byte_is_refused_or_of_no_effect(signed: Signed, tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(signed.bundle.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    changed, folder = tmp_path / "changed", tmp_path / "unpacked"
    changed.write_bytes(content)
    try:
        unpack(changed, signed.key, folder)
    except BundleError:
        assert not folder.exists()
    else:  # a byte of tar padding or of a mode, which no one reads
        assert {n: c for n, c in contents(folder).items() if n not in {MANIFEST, SIGNATURE}} == FILES
        shutil.rmtree(folder)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_cut_off_download_is_refused(signed: Signed, tmp_path: Path, data: st.DataObject) -> None:
    whole = signed.bundle.read_bytes()
    needed = 512 * (2 + len(FILES)) + sum(-(-len(part) // 512) * 512 for part in FILES.values())
    (tmp_path / "cut").write_bytes(whole[: data.draw(st.integers(0, needed))])
    with pytest.raises(BundleError):
        verify(tmp_path / "cut", signed.key)


def repacked(signed: Signed, out: Path, change: Callable[[dict[str, bytes]], dict[str, bytes]]) -> Path:
    """The bundle with other members, under the manifest and signature it had (unless they are changed too)."""
    with tarfile.open(signed.bundle) as tar:
        members = {m.name: tar.extractfile(m).read() for m in tar}
    with tarfile.open(out, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in change(members).items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m | {"artifact/model.onnx": b"x" * 1280}, "was altered"),
        (lambda m: m | {"artifact/model.onnx": b"x"}, "has 1 bytes, 1280 are signed"),
        (lambda m: {n: c for n, c in m.items() if n != "state/state.json"}, "'state/state.json' should come next"),
        (lambda m: m | {"artifact/more.json": b"{}"}, "'artifact/more.json' is not in the manifest"),
        (lambda m: m | {"../escape.json": b"{}"}, "is not in the manifest"),
        (lambda m: {n: c for n, c in m.items() if n != SIGNATURE}, "does not begin with"),
        (lambda m: m | {SIGNATURE: b""}, "is not signed by the trusted key"),
        (lambda m: m | {SIGNATURE: "ü".encode()}, "is not signed by the trusted key"),
        (lambda m: m | {MANIFEST: m[MANIFEST].replace(b'"revision": 7', b'"revision": 9')}, "is not signed"),
    ],
)
def test_changed_members_are_refused(signed: Signed, tmp_path: Path, change: Callable, message: str) -> None:
    bundle = repacked(signed, tmp_path / "other", change)
    with pytest.raises(BundleError, match=message):
        verify(bundle, signed.key)
    with pytest.raises(BundleError, match=message):
        unpack(bundle, signed.key, tmp_path / "there")
    assert not (tmp_path / "there").exists()
    assert not (tmp_path / "escape.json").exists()


def test_a_signer_cannot_make_a_bundle_escape_either(signed: Signed, tmp_path: Path) -> None:
    def escaping(members: dict[str, bytes]) -> dict[str, bytes]:
        manifest = json.loads(members.pop(MANIFEST))
        manifest["files"] = {"../escape.json": manifest["files"]["state/state.json"]}
        head = json.dumps(manifest).encode()
        return {
            MANIFEST: head,
            SIGNATURE: sign(read_private_key(signed.private), head).encode(),
            "../escape.json": b"{}",
        }

    with pytest.raises(BundleError, match="not allowed in a bundle"):
        unpack(repacked(signed, tmp_path / "other", escaping), signed.key, tmp_path / "there")
    assert not (tmp_path / "escape.json").exists()


def test_a_link_in_the_tar_is_refused(signed: Signed, tmp_path: Path) -> None:
    with tarfile.open(signed.bundle) as source, tarfile.open(tmp_path / "linked", "w") as tar:
        for member in source:
            content = source.extractfile(member)
            if member.name == "artifact/model.onnx":
                member.type, member.linkname, member.size, content = tarfile.SYMTYPE, "/etc/hostname", 0, None
            tar.addfile(member, content)
    with pytest.raises(BundleError, match="should come next"):
        verify(tmp_path / "linked", signed.key)


def test_another_key_is_not_trusted(signed: Signed, tmp_path: Path) -> None:
    generate_keys(tmp_path / "other.pem", tmp_path / "other.pub.pem")
    other = read_public_key(tmp_path / "other.pub.pem")
    assert key_id(other) != key_id(signed.key)
    with pytest.raises(BundleError, match=f"not signed by the trusted key {key_id(other)}"):
        verify(signed.bundle, other)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "artifact/model.onnx").write_bytes(bytes(1280)), "was altered"),
        (lambda f: (f / "state/state.json").unlink(), "is missing"),
        (lambda f: (f / "state/more.json").write_text("{}"), "is not in the manifest"),
        (lambda f: (f / SIGNATURE).unlink(), "is no installed bundle"),
        (lambda f: (f / "state/link.json").symlink_to("/etc/hostname"), "link or device"),
    ],
)
def test_an_installed_folder_is_checked_like_the_file(
    signed: Signed, tmp_path: Path, damage: Callable, message: str
) -> None:
    unpack(signed.bundle, signed.key, tmp_path / "there")
    damage(tmp_path / "there")
    with pytest.raises(BundleError, match=message):
        verify(tmp_path / "there", signed.key)


@pytest.mark.parametrize(
    "name", ["/etc/x", "../x", "a/../x", "./x", "a//b", "a\\b", "weights.pkl", "m.PT", MANIFEST, "a/", "", "ü"]
)
def test_odd_names_are_refused(name: str) -> None:
    with pytest.raises(BundleError):
        safe_name(name)


def test_release_with_a_link_or_nothing_is_refused(signed: Signed, tmp_path: Path) -> None:
    key = read_private_key(signed.private)
    empty, linked = tmp_path / "empty", tmp_path / "linked"
    empty.mkdir()
    linked.mkdir()
    (linked / "a.json").symlink_to("/etc/hostname")
    for folder, message in ((empty, "holds no file"), (linked, "link or device")):
        with pytest.raises(BundleError, match=message):
            build(folder, tmp_path / "out", key, bot="forecaster", revision=1, artifact_id="a")
    assert not (tmp_path / "out").exists()


def test_private_key_is_private_and_never_overwritten(signed: Signed, tmp_path: Path) -> None:
    assert stat.S_IMODE(signed.private.stat().st_mode) == 0o600
    with pytest.raises(KeyFileError, match="exists"):
        generate_keys(signed.private, tmp_path / "p.pem")
    shutil.copy(signed.private, tmp_path / "wide.pem")
    (tmp_path / "wide.pem").chmod(0o644)
    with pytest.raises(KeyFileError, match="0644"):
        read_private_key(tmp_path / "wide.pem")
    with pytest.raises(KeyFileError, match="cannot be read"):
        read_public_key(tmp_path / "nowhere.pem")
    with pytest.raises(KeyFileError, match="no PEM public key"):
        read_public_key(signed.private)

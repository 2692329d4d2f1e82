"""Sealed releases and the pointer that names one of them."""

import json
import threading
from pathlib import Path

import pytest

from serving.release import Pointer, ReleaseError, build_release, file_stats, read_pointer, seal, verify, write_pointer

ID = "a" * 64


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    folder = tmp_path / "release"
    (folder / "artifact").mkdir(parents=True)
    (folder / "artifact" / "model.onnx").write_bytes(b"weights")
    (folder / "index.json").write_text("{}")
    seal(folder, ID)
    return folder


def test_untouched_release_verifies(sealed: Path) -> None:
    assert set(verify(sealed, ID).files) == {"artifact/model.onnx", "index.json"}


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda f: (f / "artifact/model.onnx").write_bytes(b"Weights"), "altered"),
        (lambda f: (f / "artifact/model.onnx").unlink(), "missing"),
        (lambda f: (f / "more.json").write_text("{}"), "not in the seal"),
        (lambda f: (f / "evil.pkl").write_bytes(b""), "safe formats"),
        (lambda f: (f / "link.json").symlink_to(f / "index.json"), "link"),
        (lambda f: (f / "release.json").write_text("{"), "cannot be read"),
    ],
)
def test_any_change_is_refused_and_named(sealed: Path, damage, named: str) -> None:
    damage(sealed)
    with pytest.raises(ReleaseError, match=named):
        verify(sealed, ID)


def test_release_of_another_artifact_is_refused(sealed: Path) -> None:
    with pytest.raises(ReleaseError, match="promote again"):
        verify(sealed, "b" * 64)


def test_stats_move_with_every_change(sealed: Path) -> None:
    before = file_stats(sealed)
    assert file_stats(sealed) == before
    (sealed / "index.json").write_text("{ }")
    assert file_stats(sealed) != before


@pytest.mark.parametrize("release", ["../elsewhere", "/etc", "a/../../b", ""])
def test_pointer_cannot_leave_its_folder(tmp_path: Path, release: str) -> None:
    file = tmp_path / "champion.json"
    file.write_text(json.dumps({"release": release, "artifact_id": ID, "registry_version": "1"}))
    with pytest.raises(ReleaseError, match="cannot be read"):
        read_pointer(file)


def test_reader_never_sees_half_a_pointer(tmp_path: Path) -> None:
    file = tmp_path / "champion.json"
    pointers = [Pointer(release=name * 100, artifact_id=ID, registry_version="1") for name in "ab"]
    write_pointer(file, pointers[0])
    stop = threading.Event()

    def flip() -> None:
        while not stop.is_set():
            for pointer in pointers:
                write_pointer(file, pointer)

    writer = threading.Thread(target=flip)
    writer.start()
    try:
        seen = {read_pointer(file).release for _ in range(300)}
    finally:
        stop.set()
        writer.join()
    assert seen <= {"a" * 100, "b" * 100}
    assert [path.name for path in tmp_path.iterdir()] == ["champion.json"]


def test_release_is_built_whole_or_not_at_all(tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        (folder / "one.json").write_text("1")

    def break_off(folder: Path) -> None:
        fill(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_release(tmp_path / "r", ID, break_off)
    assert list(tmp_path.iterdir()) == []
    first = build_release(tmp_path / "r", ID, fill)
    assert build_release(tmp_path / "r", ID, fill) == first == verify(tmp_path / "r", ID)
    with pytest.raises(ReleaseError, match="another release"):
        build_release(tmp_path / "r", ID, lambda folder: (folder / "two.json").write_text("2"))

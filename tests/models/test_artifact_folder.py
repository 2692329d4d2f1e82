"""An artifact is written in one step, is reproducible byte for byte, and is refused when anything in it has changed."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from models.common import artifact
from models.common.artifact import ArtifactError, read_artifact, read_file, write_artifact


class Knobs(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    depth: int = 3


def write(folder: Path, **changes: Any) -> artifact.Manifest:
    arguments: dict[str, Any] = {
        "name": "forecaster",
        "config": Knobs(),
        "files": {"model.onnx": b"weights", "plots/a.png": b"png"},
        "metrics": ({"model": "champion", "metric": "rmse", "value": 1.5, "unit": "units", "segment": "all"},),
        "input_schema": {"x": "float"},
        "output_schema": {"y": "float"},
        "data_fingerprint": "f" * 8,
        "code_revision": "abc",
        "trained_until": date(2024, 1, 31),
        "seed": 1,
        "libraries": ("numpy",),
    }
    return write_artifact(folder, **{**arguments, **changes})


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    manifest = write(tmp_path / "a")
    assert read_artifact(tmp_path / "a") == manifest
    assert read_file(tmp_path / "a", manifest, "plots/a.png") == b"png"
    assert manifest.files["model.onnx"].size_bytes == 7
    assert manifest.config == {"depth": 3}
    assert set(manifest.libraries) == {"python", "numpy"}


def test_same_input_gives_same_bytes_and_another_config_another_id(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a"), write(tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert first.artifact_id == second.artifact_id
    assert write(tmp_path / "c", config=Knobs(depth=4)).artifact_id != first.artifact_id
    assert write(tmp_path / "d", files={"model.onnx": b"other"}).artifact_id != first.artifact_id


def test_writing_again_is_a_no_op_and_another_artifact_is_never_overwritten(tmp_path: Path) -> None:
    write(tmp_path / "a")
    before = (tmp_path / "a" / "manifest.json").stat().st_mtime_ns
    write(tmp_path / "a")
    assert (tmp_path / "a" / "manifest.json").stat().st_mtime_ns == before
    with pytest.raises(ArtifactError, match=r"never overwritten"):
        write(tmp_path / "a", files={"model.onnx": b"other"})
    assert (tmp_path / "a" / "model.onnx").read_bytes() == b"weights"


def test_a_failure_half_way_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(source: Any, target: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(artifact.os, "rename", fail)
    with pytest.raises(OSError, match="disk full"):
        write(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    ["model.pkl", "model.pt", "model.joblib", "model.npy", "../out.json", "/abs.json", "a/../b.json", ".hidden.json",
     "manifest.json", "a\\b.json", "./a.json", "noext"],
)  # fmt: skip
def test_unsafe_names_are_refused_at_writing(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArtifactError):
        write(tmp_path / "a", files={name: b"x"})
    assert not (tmp_path / "a").exists()


def test_an_altered_byte_is_found(tmp_path: Path) -> None:
    write(tmp_path / "a")
    (tmp_path / "a" / "model.onnx").write_bytes(b"Weights")
    with pytest.raises(ArtifactError, match=r"model\.onnx: expected SHA-256 \w{64}, found \w{64}"):
        read_artifact(tmp_path / "a")


def test_another_size_is_found_before_hashing(tmp_path: Path) -> None:
    write(tmp_path / "a")
    (tmp_path / "a" / "model.onnx").write_bytes(b"weights and more")
    with pytest.raises(ArtifactError, match="expected 7 bytes, found 16"):
        read_artifact(tmp_path / "a")


def test_extra_missing_and_linked_files_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    write(folder)
    (folder / "evil.pkl").write_bytes(b"x")
    with pytest.raises(ArtifactError, match=r"evil\.pkl"):
        read_artifact(folder)
    (folder / "evil.pkl").unlink()
    (folder / "model.onnx").rename(tmp_path / "elsewhere.onnx")
    with pytest.raises(ArtifactError, match="found nothing there"):
        read_artifact(folder)
    (folder / "model.onnx").symlink_to(tmp_path / "elsewhere.onnx")
    with pytest.raises(ArtifactError, match="link"):
        read_artifact(folder)
    manifest = artifact.read_manifest(folder)
    with pytest.raises(ArtifactError, match="link"):
        read_file(folder, manifest, "model.onnx")


def test_a_linked_folder_inside_is_refused_for_single_files_too(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    manifest = write(folder)
    (folder / "plots").rename(tmp_path / "plots")
    (folder / "plots").symlink_to(tmp_path / "plots")
    with pytest.raises(ArtifactError, match="link"):
        read_file(folder, manifest, "plots/a.png")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"config": {"depth": 9}}, "artifact_id"),
        ({"surprise": 1}, "surprise"),
        ({"schema_version": 2}, "schema_version"),
        ({"files": {"../../etc/passwd.json": {"sha256": "0" * 64, "size_bytes": 1}}}, "leaves it"),
        ({"files": {"model.pkl": {"sha256": "0" * 64, "size_bytes": 1}}}, "safe formats"),
    ],
)
def test_an_altered_manifest_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    write(tmp_path / "a")
    path = tmp_path / "a" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ArtifactError, match=message):
        read_artifact(tmp_path / "a")


def test_no_manifest_and_an_oversized_one_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        read_artifact(tmp_path)
    write(tmp_path / "a")
    monkeypatch.setattr(artifact, "MAX_MANIFEST_BYTES", 10)
    with pytest.raises(ArtifactError, match="<= 10 bytes"):
        read_artifact(tmp_path / "a")

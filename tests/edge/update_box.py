"""A box that is updated, and bundles whose one file says which revision they are. Not a test."""

from collections.abc import Callable
from pathlib import Path

from edge.bundle import build
from edge.update import BUNDLES, UpdateReport, start, update
from models.common.keys import generate_keys, read_private_key, read_public_key


class Box:
    """A box, a key it trusts, and a way to make bundles whose one file says which revision it is."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "box"
        generate_keys(folder / "signing.pem", folder / "trusted.pem")
        self.private, self.key = read_private_key(folder / "signing.pem"), read_public_key(folder / "trusted.pem")

    def bundle(self, revision: int, padding: int = 0) -> Path:
        release, out = self.folder / f"release{revision}", self.folder / f"{revision}.bundle"
        release.mkdir(exist_ok=True)
        (release / "revision.json").write_text(str(revision))
        (release / "weights.safetensors").write_bytes(bytes(padding))
        build(release, out, self.private, bot="forecaster", revision=revision, artifact_id=f"id{revision}")
        return out

    def install(
        self, revision: int, self_test: Callable[[Path], None] = lambda folder: None, **options: bool
    ) -> UpdateReport:
        return update(self.home, self.bundle(revision), self.key, self_test=self_test, **options)

    def running(self) -> int:
        return start(self.home, self.key, revision_of)[0]

    def folders(self) -> set[str]:
        return {folder.name for folder in (self.home / BUNDLES).iterdir()}


def revision_of(folder: Path) -> int:
    return int((folder / "revision.json").read_text())


def failing(message: str) -> Callable[[Path], None]:
    def self_test(folder: Path) -> None:
        raise RuntimeError(message)

    return self_test

"""Products enrolled while a champion is being released: neither takes the other's place, whoever comes first."""

import fcntl
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gallery_case
import pytest

from models.common.pictures import read_picture
from models.detector.enrol import enrol
from models.detector.enrolled import Enrolled
from models.detector.predict import Predictor
from orchestration import releases
from orchestration.detector_tenant import DetectorTenant
from orchestration.releases import publish_release, rollback_and_publish
from serving import detector_releases
from serving.detector_releases import Changed, change_gallery, current

AT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class House:
    """A workspace that serves version 1, `first`; the registry's champion is version 2, `second`, not released yet."""

    made: Any

    def __post_init__(self) -> None:
        self.releases = self.made.root
        self.versions = [
            SimpleNamespace(
                model="detector",
                version=number,
                artifact_id=self.made.ids[name],
                folder=self.made.root / "artifacts" / name,
            )
            for number, name in enumerate(("first", "second"), start=1)
        ]
        self.registry = self
        self.now = self.versions[1]

    @property
    def root(self) -> Path:
        """Of the detector's releases."""
        return Path(self.made.bot)

    def champion(self, _: str) -> Any:
        return self.now

    def version(self, _: str, number: int) -> Any:
        return self.versions[number - 1]

    def rollback_target(self, _: str) -> Any:
        return self.versions[0]

    def rollback(self, *_: Any, **__: Any) -> Any:
        self.now = self.versions[0]
        return self.now

    def served(self) -> tuple[str, set[str]]:
        """Version by the pointer, and the products that were enrolled, of a release that is whole."""
        now = current(self.root, photos=True)
        return now.pointer.registry_version, {photo.product for photo in now.enrolled.index.photos}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return gallery_case.helpers().make_detector_releases(tmp_path_factory.mktemp("detector") / "releases")


@pytest.fixture
def house(made: Any, tmp_path: Path) -> House:
    return House(made.copy_to(tmp_path / "releases"))


def enrolled(house: House, product: str, before: Callable[[], object] = lambda: None) -> Changed:
    """As service and command do it; `before` is called when it has read what is served."""
    (photo,) = gallery_case.helpers().photos_of(gallery_case.helpers().soap(), 1)

    def edit(base: Predictor, known: Enrolled) -> Enrolled:
        before()
        return enrol(base, known, product, [read_picture(photo)], by="Ada", at=AT, force=True).enrolled

    return change_gallery(house.root, edit)


class Between:
    """Work in a thread that stops on its way until the main thread asks for a lock, or has done what it came for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]) -> None:
        self._inside, self._go_on = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, args=(work,))
        self.failed: Exception | None = None
        main, flock = threading.current_thread(), fcntl.flock

        def asked(*words: Any) -> None:
            if threading.current_thread() is main:
                self._go_on.set()
            flock(*words)

        monkeypatch.setattr(fcntl, "flock", asked)

    def stop(self) -> None:
        """Called by the work."""
        self._inside.set()
        assert self._go_on.wait(60)

    def __enter__(self) -> None:
        self._thread.start()
        assert self._inside.wait(60)

    def __exit__(self, *_: object) -> None:
        self._go_on.set()
        self._thread.join(60)
        assert not self._thread.is_alive()
        if self.failed is not None:
            raise self.failed

    def _run(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:
            self.failed = error


def test_an_enrolment_that_began_before_a_promotion_does_not_bring_the_old_champion_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    between = Between(monkeypatch, lambda: enrolled(house, "soap", between.stop))
    with between:
        publish_release(house, "detector")
    assert house.served() == ("2", {"soap"})


def test_what_was_enrolled_while_a_release_was_made_is_in_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    fill, filled, due = DetectorTenant.fill, [], ["soap"]

    def slowly(self: DetectorTenant, workspace: Any, version: Any, folder: Path) -> None:
        fill(self, workspace, version, folder)
        filled.append(version.version)
        if due:
            enrolled(house, due.pop())

    monkeypatch.setattr(DetectorTenant, "fill", slowly)
    told = publish_release(house, "detector")
    assert house.served() == ("2", {"soap"}) and filled == [2, 2]
    assert told["enrolled photos"] == 1 and Path(told["release"]).is_dir() and not told["unchanged"]
    assert publish_release(house, "detector")["unchanged"]
    due.append("tea")
    rollback_and_publish(house, "detector", who="Ada", reason="to see it")
    assert house.served() == ("1", {"soap", "tea"}) and filled == [2, 2, 1, 1], "nor does it vanish on the way back"


def test_who_enrols_again_and_again_is_made_to_wait(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    fill, threads, early = DetectorTenant.fill, [], []

    def slowly(self: DetectorTenant, workspace: Any, version: Any, folder: Path) -> None:
        fill(self, workspace, version, folder)
        threads.append(threading.Thread(target=enrolled, args=(house, f"soap {len(threads)}")))
        threads[-1].start()
        threads[-1].join(60 if len(threads) <= releases.PREPARED_BESIDE else 0.5)
        early.append(not threads[-1].is_alive())

    monkeypatch.setattr(DetectorTenant, "fill", slowly)
    publish_release(house, "detector")
    assert early == [True] * releases.PREPARED_BESIDE + [False]
    threads[-1].join(60)
    assert house.served() == ("2", {f"soap {number}" for number in range(releases.PREPARED_BESIDE + 1)})


def test_the_draft_of_an_enrolment_is_not_swept(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    write = detector_releases.write_enrolled

    def slowly(folder: Path, after: Enrolled) -> None:
        between.stop()
        write(folder, after)

    monkeypatch.setattr(detector_releases, "write_enrolled", slowly)
    killed = house.root / ".killed.x1y2"
    shutil.copytree(house.root / "first", killed / "first")
    between = Between(monkeypatch, lambda: enrolled(house, "soap"))
    with between:
        publish_release(house, "detector")
    assert house.served() == ("2", {"soap"})
    assert not killed.exists(), "what a killed run left goes"

"""The loader with doors of the test's own: what is taken over, what is kept, what is withdrawn."""

from pathlib import Path

import pytest

from serving.loader import ChampionLoader, Doors
from serving.release import Pointer, seal, verify, write_pointer


class Shop:
    """Releases whose champion is their artifact id, opened by verifying."""

    def __init__(self, root: Path) -> None:
        self.root, self.changes = root, 0
        self.opened: list[str] = []
        doors = Doors(self.open, self.degrade, self.changed)
        self.loader: ChampionLoader[str] = ChampionLoader(root / "champion.json", doors, poll_s=0.05)

    def make(self, name: str) -> None:
        (self.root / name).mkdir()
        (self.root / name / "model.json").write_text(f'"{name}"')
        seal(self.root / name, name)

    def promote(self, name: str) -> None:
        write_pointer(self.root / "champion.json", Pointer(release=name, artifact_id=name, registry_version="1"))
        self.loader.poll()

    def open(self, folder: Path, pointer: Pointer) -> str:
        self.opened.append(pointer.artifact_id)
        verify(folder, pointer.artifact_id)
        return pointer.artifact_id

    def degrade(self, running: str | None, folder: Path, pointer: Pointer, why: str) -> str:
        return f"fallback of {running or pointer.artifact_id}"

    def changed(self, loader: ChampionLoader[str]) -> None:
        self.changes += 1


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = Shop(tmp_path)
    for name in ("one", "two"):
        made.make(name)
    return made


def test_no_pointer_is_a_problem_and_not_a_crash(shop: Shop) -> None:
    shop.loader.poll()
    assert shop.loader.current is None
    assert "promote a model first" in str(shop.loader.problem)


def test_promotion_is_taken_over_once(shop: Shop) -> None:
    shop.promote("one")
    shop.loader.poll()
    shop.promote("two")
    shop.loader.poll()
    assert shop.loader.current == "two"
    assert shop.opened == ["one", "two"], "an unchanged release must not be opened again"
    assert (shop.loader.swaps, shop.loader.problem) == (1, None)


def test_bad_promotion_leaves_the_old_champion(shop: Shop) -> None:
    shop.promote("one")
    (shop.root / "two" / "model.json").write_text('"twp"')
    shop.promote("two")
    assert shop.loader.current == "one"
    assert "altered" in str(shop.loader.problem)
    assert shop.loader.refusals == 1
    shop.loader.poll()
    assert shop.loader.refusals == 1, "a refused release is not read again at every look"


def test_mended_promotion_is_taken_over(shop: Shop) -> None:
    shop.promote("one")
    (shop.root / "two" / "model.json").write_text('"twp"')
    shop.promote("two")
    (shop.root / "two" / "model.json").write_text('"two"')
    shop.loader.poll()
    assert (shop.loader.current, shop.loader.problem) == ("two", None)


def test_champion_altered_under_way_is_withdrawn_and_returns_when_mended(shop: Shop) -> None:
    shop.promote("one")
    (shop.root / "one" / "model.json").write_text('"xxx"')
    shop.loader.poll()
    assert shop.loader.current == "fallback of one"
    (shop.root / "one" / "model.json").write_text('"one"')
    shop.loader.poll()
    assert (shop.loader.current, shop.loader.problem) == ("one", None)


def test_first_champion_bad_gives_its_fallback(shop: Shop) -> None:
    (shop.root / "one" / "model.json").unlink()
    shop.promote("one")
    assert shop.loader.current == "fallback of one"
    assert "missing" in str(shop.loader.problem)


def test_vanished_pointer_keeps_the_champion(shop: Shop) -> None:
    shop.promote("one")
    (shop.root / "champion.json").unlink()
    shop.loader.poll()
    assert shop.loader.current == "one"
    assert shop.loader.problem is not None
    shop.promote("one")
    assert (shop.loader.current, shop.loader.problem) == ("one", None)


def test_thread_follows_and_stops(shop: Shop) -> None:
    shop.promote("one")
    shop.loader.start()
    try:
        write_pointer(shop.root / "champion.json", Pointer(release="two", artifact_id="two", registry_version="2"))
        deadline = 100
        while shop.loader.current != "two" and deadline:
            deadline -= 1
            shop.loader._stop.wait(0.05)
    finally:
        shop.loader.stop()
    assert shop.loader.current == "two"
    assert shop.loader._thread is None

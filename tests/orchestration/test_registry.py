"""Registry: versions, aliases, and a record of who moved them."""

from pathlib import Path

import pytest

from orchestration.registry import Movement, Registry, RegistryError, way_of


def register(registry: Registry, folder: Path, artifact_id: str) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(f'{{"id": "{artifact_id}"}}', encoding="utf-8")
    tags = {"artifact_id": artifact_id, "trained_until": "2025-01-01", "data_fingerprint": "d"}
    run_id = registry.log_run(
        "forecaster", folder, params={"depth": 3}, metrics={"rmse": 1.5}, pages={"report.md": b"# report"}, tags=tags
    )
    return registry.register("forecaster", run_id, tags=tags).version


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    root = tmp_path_factory.mktemp("registry with space")
    filled = Registry(root / "mlflow")
    for name in ("one", "two", "three"):
        register(filled, root / name, name)
    return filled


def test_the_same_artifact_is_one_version(registry: Registry, tmp_path: Path) -> None:
    assert register(registry, tmp_path / "again", "two") == 2
    assert [v.version for v in registry.versions("forecaster")] == [3, 2, 1]


def test_the_folder_of_a_version_holds_its_artifact(registry: Registry) -> None:
    assert (registry.version("forecaster", 2).folder / "manifest.json").read_text(encoding="utf-8") == '{"id": "two"}'


def test_unknown_versions_name_the_known_ones(registry: Registry) -> None:
    with pytest.raises(RegistryError, match="known versions: 3, 2, 1"):
        registry.version("forecaster", 9)


def test_promotions_and_roll_backs_walk_the_same_way_back(registry: Registry) -> None:
    assert registry.champion("forecaster") is None
    with pytest.raises(RegistryError, match="no champion"):
        registry.rollback("forecaster", who="ada", reason="too slow")
    for version in (1, 3, 2):
        registry.promote("forecaster", version, who="ada", reason=f"better {version}")
    registry.promote("forecaster", 2, who="ada", reason="again")  # changes nothing
    assert registry.rollback("forecaster", who="bob", reason="worse in shops").version == 3
    assert registry.rollback("forecaster", who="bob", reason="worse still").version == 1
    with pytest.raises(RegistryError, match="first champion"):
        registry.rollback("forecaster", who="bob", reason="once more")
    moved = [(m.action, m.version, m.previous, m.who) for m in registry.movements("forecaster")]
    assert moved == [
        ("promote", 1, None, "ada"),
        ("promote", 3, 1, "ada"),
        ("promote", 2, 3, "ada"),
        ("rollback", 3, 2, "bob"),
        ("rollback", 1, 3, "bob"),
    ]


@pytest.mark.parametrize(("who", "reason"), [("", "because"), ("ada", " ")])
def test_a_move_needs_a_name_and_a_reason(registry: Registry, who: str, reason: str) -> None:
    before = registry.movements("forecaster")
    for move in (lambda: registry.promote("forecaster", 3, who=who, reason=reason),
                 lambda: registry.rollback("forecaster", who=who, reason=reason)):  # fmt: skip
        with pytest.raises(RegistryError, match="needs a name and a reason"):
            move()
    assert registry.movements("forecaster") == before


def test_roll_backs_do_not_turn_in_a_circle(registry: Registry) -> None:
    model, by = "forecaster", {"who": "ada", "reason": "because"}
    assert registry.champion(model).version == 1
    registry.promote(model, 2, **by)
    registry.promote(model, 1, **by)
    assert registry.rollback(model, **by).version == 2
    assert registry.rolled_back(model, 1).who == "ada"
    assert registry.rolled_back(model, 2) is None
    assert registry.rollback(model, **by).version == 1
    assert registry.rolled_back(model, 1) is None, "it serves again"
    assert registry.rolled_back(model, 2) is not None
    with pytest.raises(RegistryError, match="first champion"):
        registry.rollback(model, **by)


P, R = "promote", "rollback"


@pytest.mark.parametrize(
    ("moves", "champion", "way"),
    [
        ([(P, 1, None), (P, 2, 1), (P, 1, 2)], 1, [1, 2, 1]),
        ([(P, 1, None), (P, 2, 1), (P, 3, 2), (R, 2, 3), (P, 4, 2)], 4, [1, 2, 4]),
        ([(P, 1, None), (P, 2, 1)], 1, [1]),  # killed before the alias moved to 2
        ([(P, 1, None), (P, 2, 1), (P, 3, 1)], 3, [1, 3]),  # the same, then another promotion
        ([(P, 1, None), (P, 2, 1), (R, 1, 2)], 2, [1, 2]),  # a roll-back that was killed
        ([(P, 1, None), (P, 2, 1), (R, 1, 2), (R, 1, 2)], 1, [1]),  # and done again
        ([(P, 1, None), (P, 2, 1), (P, 4, 3)], 4, [1, 3, 4]),  # somebody moved the alias to 3 by hand
        ([], 5, [5]),
    ],
)
def test_the_way_back_is_replayed_from_the_record(
    moves: list[tuple[str, int, int | None]], champion: int, way: list[int]
) -> None:
    record = [Movement("forecaster", *move, who="ada", when="2025-01-01", reason="r") for move in moves]
    assert way_of(record, champion) == way

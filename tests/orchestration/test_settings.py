"""Settings: one workspace a source, overrides validated by the model's Config."""

from pathlib import Path

import pytest

from orchestration.settings import SOURCE_FORMS, Settings, SettingsError
from orchestration.workspace import Workspace
from sources.open import FORMS


def test_environment_is_read_with_the_prefix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STORELOOP_HOME", str(tmp_path))
    monkeypatch.setenv("STORELOOP_TWIN_SEED", "5")
    settings = Settings()
    assert settings.home == tmp_path.resolve()
    assert settings.twin_seed == 5


@pytest.mark.parametrize(("name", "value"), [("HORIZON", "43"), ("TWIN_SIZE", "huge"), ("THREADS", "0")])
def test_out_of_bounds_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"STORELOOP_{name}", value)
    with pytest.raises(ValueError, match=name.lower()):
        Settings()


def test_each_source_has_a_workspace_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a" / "shop").mkdir(parents=True)
    (tmp_path / "b" / "shop").mkdir(parents=True)
    specs = ["twin", f"folder:{tmp_path}/a/shop", f"folder:{tmp_path}/b/shop"]
    roots = {Workspace(Settings(home=tmp_path, source=spec)).root for spec in specs}
    assert len(roots) == 3
    assert all(root.parent == tmp_path.resolve() for root in roots)


def test_twin_parameters_are_part_of_the_workspace(tmp_path: Path) -> None:
    params = tmp_path / "twin.yaml"
    params.write_text("days: 200\n", encoding="utf-8")
    first = Workspace(Settings(home=tmp_path, twin_params=params)).slug
    params.write_text("days: 210\n", encoding="utf-8")
    assert Workspace(Settings(home=tmp_path, twin_params=params)).slug != first


def test_overrides_must_be_mappings(tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    params.write_text("forecaster: 3\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="mapping"):
        Settings(params=params).section("forecaster")


def test_without_a_file_every_default_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings().section("forecaster") == {}


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.yaml is no file"):
        Settings(params=tmp_path / "none.yaml").section("forecaster")


def test_a_misspelt_section_is_refused(tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    params.write_text("forcaster: {depth: 3}\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"\['forcaster'\]: known sections are forecaster, promotion"):
        Settings(params=params).section("forecaster")


def test_absent_twin_parameters_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no file"):
        Settings(twin_params=tmp_path / "none.yaml")


def test_the_help_names_every_source_that_opens() -> None:
    """Two texts, so that the command's help need not import the room of sources."""
    assert SOURCE_FORMS == FORMS

"""One contract for all models: every package under models/ has the same doors and keeps the same promises.

A package plugs in with tests/models/<package>_case.py (see forecaster_case.py); one without a case fails here.
A room of kind *analysis* (it has `analyse.py`) learns nothing that could be saved, so it has doors of its own.
"""

import importlib
import inspect
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, ValidationError

import models
from models.common.artifact import ArtifactError
from models.common.protocols import DataError, InputError
from models.common.report import Report

ROOM = Path(models.__file__).parent
PACKAGES = sorted(path.parent.name for path in ROOM.glob("*/__init__.py") if path.parent.name != "common")
DOORS = ("config", "data", "model", "train", "evaluate", "predict")
ANALYSES = [name for name in PACKAGES if (ROOM / name / "analyse.py").is_file()]
MODELS = [name for name in PACKAGES if name not in ANALYSES]
ANALYSIS_DOORS = ("config", "data", "analyse", "report")


@cache
def door(package: str, name: str) -> ModuleType:
    return importlib.import_module(f"models.{package}.{name}")


class Trained:
    """One training of a package on its case, shared by the tests below."""

    def __init__(self, package: str, case: ModuleType, synthetic: ModuleType) -> None:
        self.case = case
        self.package = package
        self.cfg = door(package, "config").Config(**case.CONFIG)
        self.tables = case.tables(synthetic, self.cfg)
        self.data = door(package, "data").prepare(self.tables, self.cfg)
        self.progress: list[tuple[str, float]] = []
        self.trained = self.train(on_progress=lambda stage, fraction: self.progress.append((stage, fraction)))

    def train(self, **options: Any) -> Any:
        return door(self.package, "train").train(self.data, self.cfg, seed=1, **options)


@pytest.fixture(scope="module", params=MODELS)
def package(request: pytest.FixtureRequest, model_cases: dict[str, ModuleType]) -> str:
    name: str = request.param
    assert name in model_cases, f"models/{name} has no tests/models/{name}_case.py"
    return name


@pytest.fixture(scope="module")
def trained(package: str, model_cases: dict[str, ModuleType], synthetic: ModuleType) -> Trained:
    return Trained(package, model_cases[package], synthetic)


def test_every_door_is_there_with_its_signature(package: str) -> None:
    for name in DOORS:
        assert (ROOM / package / f"{name}.py").is_file(), f"models/{package}/{name}.py is missing"
        assert door(package, name).__doc__
    signature = inspect.signature(door(package, "train").train).parameters
    assert list(signature)[:2] == ["data", "cfg"]
    assert {"seed", "on_progress"} <= {name for name, each in signature.items() if each.kind is each.KEYWORD_ONLY}
    assert signature["seed"].default is inspect.Parameter.empty, "a seed is always chosen by the caller"
    assert list(inspect.signature(door(package, "data").prepare).parameters)[:2] == ["tables", "cfg"]
    scoring = inspect.signature(door(package, "evaluate").evaluate).parameters
    assert list(scoring)[:2] == ["model", "data"]
    assert scoring["world"].default is None and scoring["truth"].default is None
    assert list(inspect.signature(door(package, "predict").load).parameters) == ["path"]
    assert list(inspect.signature(door(package, "predict").Predictor.predict).parameters)[:2] == ["self", "request"]


@pytest.mark.parametrize("package", PACKAGES)
def test_config_is_frozen_bounded_and_refuses_unknown_keys(package: str) -> None:
    config = door(package, "config").Config
    assert issubclass(config, BaseModel)
    with pytest.raises(ValidationError, match=r"extra_forbidden|Extra inputs"):
        config.model_validate({"no_such_knob": 1})
    made = config()
    name = next(iter(config.model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(made, name, getattr(made, name))
    for name, field in config.model_fields.items():
        assert field.description, f"{package}.Config.{name} does not say what it is and why"
        numeric = field.annotation in (int, float)
        assert not numeric or len(field.metadata) >= 2, f"{package}.Config.{name} has no lower and upper bound"


def test_progress_rises_from_start_to_end(trained: Trained) -> None:
    fractions = [fraction for _, fraction in trained.progress]
    assert fractions == sorted(fractions)
    assert fractions[0] < 0.2 and fractions[-1] == 1.0
    assert all(stage for stage, _ in trained.progress)


def test_one_seed_gives_one_artifact_byte_for_byte(trained: Trained, tmp_path: Path) -> None:
    first = trained.trained.save(tmp_path / "first")
    second = trained.train().save(tmp_path / "second")
    assert first.artifact_id == second.artifact_id
    names = sorted(path.relative_to(tmp_path / "first") for path in (tmp_path / "first").rglob("*") if path.is_file())
    assert len(names) > 1
    for name in names:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes(), name


def test_save_load_predict_round_trip(trained: Trained, tmp_path: Path) -> None:
    manifest = trained.trained.save(tmp_path / "artifact")
    assert manifest.name == trained.package
    sound = trained.case.request(trained.trained, trained.data)
    before = trained.case.outputs(trained.trained.predictor().predict(sound))
    after = trained.case.outputs(door(trained.package, "predict").load(tmp_path / "artifact").predict(sound))
    assert before.keys() == after.keys()
    for name, values in before.items():
        assert values.size and np.isfinite(values).all()
        np.testing.assert_array_equal(values, after[name])


def test_a_tampered_artifact_is_not_loaded(trained: Trained, tmp_path: Path) -> None:
    manifest = trained.trained.save(tmp_path / "artifact")
    for name in manifest.files:
        path = tmp_path / "artifact" / name
        kept = path.read_bytes()
        path.write_bytes(bytes([kept[0] ^ 1]) + kept[1:])
        with pytest.raises(ArtifactError, match=path.name):
            door(trained.package, "predict").load(tmp_path / "artifact")
        path.write_bytes(kept)


def test_a_report_carries_its_baseline_and_peers(trained: Trained) -> None:
    report = door(trained.package, "evaluate").evaluate(trained.trained.predictor(), trained.data)
    assert isinstance(report, Report)
    expected = {report.champion, trained.case.BASELINE, *trained.case.PEERS}
    assert expected <= set(report.models())
    assert all(png.startswith(b"\x89PNG") for png in report.plots.values()) and report.plots
    assert Report.from_json(report.to_json()).to_json() == report.to_json()
    for row in report.rows:
        assert row.unit and row.metric and row.segment


def test_hostile_requests_get_an_error_that_names_the_field(trained: Trained) -> None:
    predictor = trained.trained.predictor()
    count = 0
    for message, request in trained.case.hostile(trained.case.request(trained.trained, trained.data)):
        with pytest.raises(InputError, match=message):
            predictor.predict(request)
        count += 1
    assert count >= 5


def test_a_missing_table_or_column_is_named(trained: Trained) -> None:
    prepare = door(trained.package, "data").prepare
    for name, table in trained.tables.items():
        # Where a model can do with one table of several, it is the last one that is missed.
        kept = getattr(trained.case, "ANY_OF", ())
        without = {
            key: value
            for key, value in trained.tables.items()
            if key not in ({name, *kept} if name in kept else {name})
        }
        with pytest.raises(DataError, match=name):
            prepare(without, trained.cfg)
        with pytest.raises(DataError, match=name):
            prepare({**trained.tables, name: table.drop_columns([table.column_names[0]])}, trained.cfg)


def test_predicting_imports_no_training_library(package: str) -> None:
    import subprocess
    import sys

    heavy = ("torch", "xgboost", "lightgbm", "pandas", "pyarrow", "sklearn", "matplotlib", "onnx", "dagster", "mlflow")
    code = (
        f"import sys, models.{package}.predict; "
        f"print([name for name in {heavy!r} if name in sys.modules and name != 'onnxruntime'])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOM.parent)
    assert found.stdout.strip() == "[]"


class Analysed:
    """One analysis of a package on its case, shared by the tests below."""

    def __init__(self, package: str, case: ModuleType, synthetic: ModuleType) -> None:
        self.package = package
        self.case = case
        self.cfg = door(package, "config").Config(**case.CONFIG)
        self.tables = case.tables(synthetic, self.cfg)
        self.data = door(package, "data").prepare(self.tables, self.cfg)
        self.progress: list[tuple[str, float]] = []
        self.report = self.reported(on_progress=lambda stage, fraction: self.progress.append((stage, fraction)))

    def reported(self, **options: Any) -> Report:
        analysis = door(self.package, "analyse").analyse(self.data, self.cfg, seed=1, **options)
        found: Report = door(self.package, "report").report(analysis)
        return found


@pytest.fixture(scope="module", params=ANALYSES)
def analysed(request: pytest.FixtureRequest, model_cases: dict[str, ModuleType], synthetic: ModuleType) -> Analysed:
    name: str = request.param
    assert name in model_cases, f"models/{name} has no tests/models/{name}_case.py"
    return Analysed(name, model_cases[name], synthetic)


def test_an_analysis_has_every_door_with_its_signature(analysed: Analysed) -> None:
    for name in ANALYSIS_DOORS:
        assert (ROOM / analysed.package / f"{name}.py").is_file(), f"models/{analysed.package}/{name}.py is missing"
        assert door(analysed.package, name).__doc__
    assert list(inspect.signature(door(analysed.package, "data").prepare).parameters) == ["tables", "cfg"]
    signature = inspect.signature(door(analysed.package, "analyse").analyse).parameters
    assert list(signature)[:2] == ["data", "cfg"]
    assert {"seed", "on_progress"} <= {name for name, each in signature.items() if each.kind is each.KEYWORD_ONLY}
    assert signature["seed"].default is inspect.Parameter.empty, "a seed is always chosen by the caller"
    assert list(inspect.signature(door(analysed.package, "report").report).parameters) == ["analysis"]


def test_an_analysis_with_one_seed_gives_one_report(analysed: Analysed) -> None:
    assert analysed.reported().to_json() == analysed.report.to_json()
    fractions = [fraction for _, fraction in analysed.progress]
    assert fractions == sorted(fractions)
    assert fractions[0] < 0.2 and fractions[-1] == 1.0


def test_an_analysis_carries_its_baseline_pictures_and_words(analysed: Analysed) -> None:
    report = analysed.report
    assert {report.champion, analysed.case.BASELINE} <= set(report.models())
    assert report.plots and all(png.startswith(b"\x89PNG") for png in report.plots.values())
    assert report.notes
    assert Report.from_json(report.to_json()).to_json() == report.to_json()
    assert all(row.unit and row.metric and row.segment for row in report.rows)


def test_an_analysis_names_a_missing_table_or_column(analysed: Analysed) -> None:
    prepare = door(analysed.package, "data").prepare
    for name, table in analysed.tables.items():
        without = {key: value for key, value in analysed.tables.items() if key != name}
        if name in analysed.case.OPTIONAL:
            assert prepare(without, analysed.cfg)
        else:
            with pytest.raises(DataError, match=name):
                prepare(without, analysed.cfg)
        with pytest.raises(DataError, match=name):
            prepare({**analysed.tables, name: table.drop_columns([table.column_names[0]])}, analysed.cfg)

"""What goes into a bento: one champion, the code that serves it, hashed pins, and nothing that trains."""

import ast
import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from inspection_releases import package
from release_factory import FIRST, Releases

from serving.closure import module_files
from serving.packaging import Bento, PackagingError, build
from serving.requirements import RequirementsError, closure, pinned

ROOT = Path(__file__).resolve().parents[2]
TRAINING = {
    "torch",
    "xgboost",
    "xgboost-cpu",
    "lightgbm",
    "scikit-learn",
    "pandas",
    "pyarrow",
    "feast",
    "duckdb",
    "mlflow",
    "dagster",
}


@pytest.fixture(scope="module")
def bento(made_releases: Releases, tmp_path_factory: pytest.TempPathFactory) -> Bento:
    return build("forecaster", made_releases.root, tmp_path_factory.mktemp("store"))


def test_bento_holds_exactly_the_champion(bento: Bento, made_releases: Releases) -> None:
    packed = bento.folder / "src" / "releases" / "forecaster"
    assert sorted(path.name for path in packed.iterdir()) == ["champion.json", FIRST]
    assert len(list((bento.folder / "src").rglob("manifest.json"))) == 1
    assert bento.tag == f"forecaster:{made_releases.ids[FIRST][:16]}"


def test_bento_carries_no_room_that_trains_or_orchestrates(bento: Bento) -> None:
    source = bento.folder / "src"
    assert {path.name for path in source.iterdir() if path.is_dir()} == {"serving", "models", "features", "releases"}
    modules = {path.relative_to(source).as_posix() for path in source.rglob("*.py")}
    assert "models/forecaster/predict.py" in modules
    assert not {name for name in modules if name.startswith("features/")} - {
        "features/__init__.py", "features/online.py", "features/layout.py", "features/vector.py", "features/snapshot_files.py",
    }  # fmt: skip
    assert not {"models/forecaster/train.py", "models/forecaster/export.py", "serving/packaging.py"} & modules


def test_bento_pins_are_hashed_and_hold_no_training_stack(bento: Bento) -> None:
    lines = (bento.folder / "src" / "requirements.lock").read_text()
    names = {match.lower() for match in re.findall(r"^([A-Za-z0-9._-]+)==", lines, re.MULTILINE)}
    assert {"bentoml", "onnxruntime", "numpy", "safetensors"} <= names
    assert not names & TRAINING
    assert f"bentoml=={version('bentoml')}" in lines
    for block in re.split(r"^(?=\S)", lines, flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in block, block


def test_bento_of_the_recommender_answers_without_what_trains_or_learns(
    made_recommenders: Releases, tmp_path: Path
) -> None:
    bento = build("recommender", made_recommenders.root, tmp_path)
    source = bento.folder / "src"
    assert len(list(source.rglob("manifest.json"))) == 1
    modules = {path.relative_to(source).as_posix() for path in source.rglob("*.py")}
    assert {"models/recommender/predict.py", "features/online_customers.py"} <= modules
    assert not {name for name in modules if name.startswith("models/forecaster/")}
    assert not {"models/recommender/train.py", "serving/recommender_learner.py", "features/engine.py"} & modules
    lines = (source / "requirements.lock").read_text()
    names = {match.lower() for match in re.findall(r"^([A-Za-z0-9._-]+)==", lines, re.MULTILINE)}
    assert not names & (TRAINING | {"river", "scipy"})
    said = "import sys, serving.recommender; print(sorted({name.split('.')[0] for name in sys.modules}))"
    environment = {**os.environ, "PYTHONPATH": str(source)}
    done = subprocess.run([sys.executable, "-c", said], cwd=source, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not set(ast.literal_eval(done.stdout.splitlines()[-1])) & (
        TRAINING | {"river", "scipy", "sklearn", "torch_geometric"}
    )


def test_bento_of_pricing_answers_without_what_trains(made_pricing: Releases, tmp_path: Path) -> None:
    source = build("pricing", made_pricing.root, tmp_path).folder / "src"
    assert len(list(source.rglob("manifest.json"))) == 1
    modules = {path.relative_to(source).as_posix() for path in source.rglob("*.py")}
    assert {"models/pricing/predict.py", "models/pricing/ladder.py", "serving/approval_templates.py"} <= modules
    assert not {"models/pricing/train.py", "models/pricing/ladder_tuning.py", "models/pricing/env.py"} & modules
    lines = (source / "requirements.lock").read_text()
    names = {match.lower() for match in re.findall(r"^([A-Za-z0-9._-]+)==", lines, re.MULTILINE)}
    assert "jinja2" in names and not names & (TRAINING | {"scipy", "gymnasium", "stable-baselines3"})
    said = (
        "import sys, asyncio, json, serving.pricing as p; from serving.pricing_schemas import QuoteRequest; "
        "bot = p.service.inner(); request = QuoteRequest.model_validate(json.loads(sys.argv[1])); "
        "body = asyncio.run(bot._answerer.quote(request)); bot.close(); "
        "print(json.loads(body)['served_by'].split()[0], sorted({name.split('.')[0] for name in sys.modules}))"
    )
    asked = {
        "market": "salad",
        "items": [{"item_id": "I1", "period": 0, "stock": [1, 3], "before": 3.0, "factors": {"weather": 0.5}}],
    }
    environment = {**os.environ, "PYTHONPATH": str(source), "STORELOOP_SERVE_RELEASES": str(source / "releases")}
    done = subprocess.run(
        [sys.executable, "-c", said, json.dumps(asked)], cwd=source, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    who, _, loaded = done.stdout.splitlines()[-1].partition(" ")
    assert who == "champion" and not set(ast.literal_eval(loaded)) & (TRAINING | {"scipy", "gymnasium", "sklearn"})


def test_bento_of_the_detector_looks_and_enrols_without_what_trains(made_detectors: Releases, tmp_path: Path) -> None:
    source = build("detector", made_detectors.root, tmp_path).folder / "src"
    assert len(list(source.rglob("manifest.json"))) == 1
    modules = {path.relative_to(source).as_posix() for path in source.rglob("*.py")}
    assert {"models/detector/predict.py", "models/detector/enrol.py", "serving/detector_page.py"} <= modules
    assert not {f"models/detector/{name}.py" for name in ("train", "data", "evaluate", "peers", "fusion")} & modules
    lines = (source / "requirements.lock").read_text()
    names = {match.lower() for match in re.findall(r"^([A-Za-z0-9._-]+)==", lines, re.MULTILINE)}
    assert {"opencv-python-headless", "pillow", "python-multipart"} <= names
    assert not names & (TRAINING | {"ultralytics", "torchvision", "scipy"})
    said = (
        "import sys, asyncio, json, serving.detector as d; from serving.detector_schemas import RecogniseRequest; "
        "bot = d.service.inner(); request = RecogniseRequest(pictures=[sys.argv[1]]); "
        "body = asyncio.run(bot._answerer.recognise(request)); bot.close(); "
        "print(json.loads(body)['served_by'].split()[0], sorted({name.split('.')[0] for name in sys.modules}))"
    )
    environment = {**os.environ, "PYTHONPATH": str(source), "STORELOOP_SERVE_RELEASES": str(source / "releases")}
    done = subprocess.run(
        [sys.executable, "-c", said, made_detectors.series_ids[0]],
        cwd=source,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    who, _, loaded = done.stdout.splitlines()[-1].partition(" ")
    assert who == "champion" and not set(ast.literal_eval(loaded)) & (TRAINING | {"ultralytics", "scipy", "sklearn"})


def test_bento_of_inspection_answers_without_what_trains(made_inspectors: Releases, tmp_path: Path) -> None:
    source = build("inspection", made_inspectors.root, tmp_path).folder / "src"
    assert len(list(source.rglob("manifest.json"))) == 1
    modules = {path.relative_to(source).as_posix() for path in source.rglob("*.py")}
    assert {"models/inspection/predict.py", "models/common/pictures.py", "serving/forms.py"} <= modules
    assert not {"models/inspection/train.py", "models/inspection/peers.py", "models/inspection/model.py"} & modules
    lines = (source / "requirements.lock").read_text()
    names = {match.lower() for match in re.findall(r"^([A-Za-z0-9._-]+)==", lines, re.MULTILINE)}
    assert {"pillow", "python-multipart"} <= names
    assert not names & (TRAINING | {"scipy", "opencv-python-headless", "ultralytics"})
    said = (
        "import sys, asyncio, json, serving.inspection as i; from serving.inspection_schemas import InspectRequest; "
        "bot = i.service.inner(); request = InspectRequest.model_validate(json.loads(sys.argv[1])); "
        "body = asyncio.run(bot._answerer.inspect(request)); bot.close(); "
        "print(json.loads(body)['served_by'].split()[0], sorted({name.split('.')[0] for name in sys.modules}))"
    )
    environment = {**os.environ, "PYTHONPATH": str(source), "STORELOOP_SERVE_RELEASES": str(source / "releases")}
    environment["STORELOOP_SERVE_DEADLINE_MS"] = "10000"  # a starved test machine is not a slow model
    asked = json.dumps({"packages": [package(1)]})
    done = subprocess.run(
        [sys.executable, "-c", said, asked], cwd=source, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    who, _, loaded = done.stdout.splitlines()[-1].partition(" ")
    assert who == "champion" and not set(ast.literal_eval(loaded)) & (TRAINING | {"scipy", "cv2", "sklearn"})


def test_altered_release_is_not_packed(releases: Releases, tmp_path: Path) -> None:
    (releases.bot / FIRST / "artifact" / "model.json").write_text("{}")
    with pytest.raises(ValueError, match="altered"):
        build("forecaster", releases.root, tmp_path)


def test_unknown_bot_is_named(tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match="'oracle'"):
        build("oracle", tmp_path, tmp_path)


def test_closure_follows_relative_and_inner_imports(tmp_path: Path) -> None:
    for name, text in {
        "serving/__init__.py": "",
        "serving/a.py": "from . import b\ndef f():\n    import models.x.y\n",
        "serving/b.py": "import json",
        "serving/unused.py": "",
        "models/__init__.py": "",
        "models/x/__init__.py": "",
        "models/x/y.py": "from ..z import thing",
        "models/z.py": "thing = 1",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = {path.relative_to(tmp_path).as_posix() for path in module_files("serving.a", tmp_path)}
    assert found == {
        "serving/__init__.py", "serving/a.py", "serving/b.py", "models/__init__.py", "models/x/__init__.py",
        "models/x/y.py", "models/z.py",
    }  # fmt: skip


def test_pins_come_from_the_lock_or_not_at_all(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        "safetensors==1.0 \\\n    --hash=sha256:aa\n    # via us\nnumpy==2 ; python_version < '3'\n    --hash=sha256:bb\n"
    )
    assert pinned(lock, ["safetensors"]) == "safetensors==1.0 \\\n    --hash=sha256:aa\n"
    with pytest.raises(RequirementsError, match="make lock"):
        pinned(lock, ["pydantic"])
    assert {"pydantic", "pydantic-core"} <= closure(["pydantic"])

"""The deployers' commands: what they start, build and print."""

import json
from inspect import signature
from pathlib import Path

import pytest
from release_factory import Releases
from typer.testing import CliRunner

from orchestration.commands.ui import ui
from serving.cli import build_package_app, build_serve_app
from serving.packaging import PackagingError
from serving.process import command, environment
from serving.settings import DEFAULT_PORT, ServeSettings

runner = CliRunner()


def test_service_binds_to_loopback_unless_told_and_follows_an_absolute_folder(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = ServeSettings(releases=Path("releases"))
    line = command("forecaster", settings)
    assert line[line.index("--host") + 1] == "127.0.0.1"
    assert line[line.index("--port") + 1] == "3100"
    started = environment(settings)
    assert started["STORELOOP_SERVE_RELEASES"] == str(tmp_path / "releases")
    assert started["BENTOML_DO_NOT_TRACK"] == "True"
    assert started["STORELOOP_SERVE_ONLINE"] == str(tmp_path / "online"), "what is learned lies beside the releases"
    assert started["STORELOOP_SERVE_LEARNER"] == "process"
    assert started["STORELOOP_SERVE_PRICING"] == str(tmp_path / "pricing"), "and what pricing writes down"
    elsewhere = environment(ServeSettings(releases=Path("releases"), online=Path("mine"), learner="elsewhere"))
    assert elsewhere["STORELOOP_SERVE_ONLINE"] == str(tmp_path / "mine")
    assert elsewhere["STORELOOP_SERVE_LEARNER"] == "elsewhere"


def test_no_site_of_the_ui_has_the_port_of_the_service() -> None:
    sites = {name: given.default for name, given in signature(ui).parameters.items() if name.endswith("_port")}
    assert len(sites) == 3
    assert DEFAULT_PORT not in sites.values()
    for build, words in ((build_serve_app, ["--help"]), (build_package_app, ["load", "--help"])):
        assert str(DEFAULT_PORT) in runner.invoke(build(Path), words).output


def test_unknown_bot_is_refused_by_name() -> None:
    with pytest.raises(PackagingError, match="'oracle'"):
        command("oracle", ServeSettings())
    result = runner.invoke(build_serve_app(lambda: Path("releases")), ["oracle"])
    assert result.exit_code == 1
    assert "'oracle'" in result.output


def test_build_prints_one_json_object(releases: Releases) -> None:
    result = runner.invoke(build_package_app(lambda: releases.root), ["build", "forecaster", "--json"])
    assert result.exit_code == 0, result.output
    built = json.loads(result.stdout)
    assert built["tag"].startswith("forecaster:")
    assert Path(built["folder"], "bento.yaml").is_file()


def test_build_without_a_champion_names_the_remedy(tmp_path: Path) -> None:
    result = runner.invoke(build_package_app(lambda: tmp_path), ["build"])
    assert result.exit_code == 1
    assert "promote a model first" in result.output


def test_load_counts_answers_and_who_gave_them(served) -> None:
    port, releases = served
    result = runner.invoke(
        build_package_app(lambda: releases.root),
        ["load", f"http://127.0.0.1:{port}", "--requests", "40", "--connections", "2", "--json"],
    )
    assert result.exit_code == 0, result.output
    counted = json.loads(result.stdout)
    assert counted["status"] == {"200": 40}
    assert counted["served_by"] == {f"champion {releases.ids['first']}": 40}
    assert 0 < counted["p50_ms"] <= counted["p99_ms"]


def test_load_on_a_dead_address_says_so() -> None:
    result = runner.invoke(build_package_app(Path), ["load", "http://127.0.0.1:9"])
    assert result.exit_code == 1
    assert "nothing answers" in result.output

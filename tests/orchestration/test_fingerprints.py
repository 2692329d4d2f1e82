"""Which code and which facts count as inputs: imports are followed, and what the source says of itself is heard."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import data_checks.gate
from orchestration import day_inputs, demand, feature_tables
from orchestration.catalogue import TABLES
from orchestration.cleaning import clean_table
from orchestration.demand import build_demand
from orchestration.fingerprints import ROOT, Stamp, code_digest, code_files, fingerprint
from orchestration.ingest import TableOutcome, ingest_raw
from orchestration.settings import Settings
from orchestration.workspace import Workspace

TREE = {
    "a/__init__.py": "",
    "a/entry.py": "import os\nfrom b import deep\n\n\ndef late():\n    from a.late import x\n    return x\n",
    "a/late.py": "x = 1\n",
    "a/other.py": "import c.never\n",
    "b/__init__.py": "",
    "b/deep/__init__.py": "from .leaf import y\nfrom ..side import z\n",
    "b/deep/leaf.py": "y = 1\n",
    "b/side.py": (
        "from typing import TYPE_CHECKING\nimport orchestration.work\n\n"
        "if TYPE_CHECKING:\n    from c.never import N\nelse:\n    import c.always\n"
    ),
    "c/__init__.py": "",
    "c/never.py": "",
    "c/always.py": "import a.entry\n",
    "orchestration/__init__.py": "",
    "orchestration/work.py": "import a.other\n",
    "loose.py": "",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in TREE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def names(*entries: str, root: Path = ROOT) -> set[str]:
    return {str(file.relative_to(root)) for file in code_files(*entries, root=root)}


def test_imports_are_followed_through_the_rooms(tree: Path) -> None:
    assert names("a/entry.py", root=tree) == {
        *("a/__init__.py", "a/entry.py", "a/late.py"),
        *("b/__init__.py", "b/deep/__init__.py", "b/deep/leaf.py", "b/side.py"),
        *("c/__init__.py", "c/always.py"),
    }


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    pass\nexcept OSError:\n    import a.late\n",
        "try:\n    pass\nfinally:\n    import a.late\n",
        "match 1:\n    case _:\n        import a.late\n",
        "class A:\n    async def f(self):\n        async with self:\n            for _ in ():\n                import a.late\n",
    ],
)
def test_an_import_within_any_statement_counts(tree: Path, text: str) -> None:
    (tree / "a" / "within.py").write_text(text, encoding="utf-8")
    assert "a/late.py" in names("a/within.py", root=tree)


def test_a_caller_of_all_rooms_is_taken_by_itself(tree: Path) -> None:
    assert names("orchestration/work.py", root=tree) == {"orchestration/work.py"}


@pytest.mark.parametrize(
    ("edited", "counts"),
    [("b/deep/leaf.py", True), ("a/late.py", True), ("c/never.py", False), ("orchestration/work.py", False)],
)
def test_the_digest_hears_of_edits_to_what_is_imported(tree: Path, edited: str, counts: bool) -> None:
    before = code_digest("a/entry.py", root=tree)
    (tree / edited).write_text((tree / edited).read_text(encoding="utf-8") + "w = 2\n", encoding="utf-8")
    assert (code_digest("a/entry.py", root=tree) != before) is counts


def test_an_entry_without_code_is_refused(tree: Path) -> None:
    with pytest.raises(ValueError, match=r"gone\.py. holds no code"):
        code_files("a/gone.py", root=tree)


def test_the_assets_see_the_modules_that_decide_them() -> None:
    built = names(*demand.CODE, *demand.JUDGE)
    assert built >= {"features/cleaning.py", "data_checks/gate_rows.py", "data_checks/suites.py", "features/sales.py"}
    assert "orchestration/demand_days.py" in built
    cleaned = names(*day_inputs.CODE, *day_inputs.JUDGE, *day_inputs.OWN_CODE["transactions"])
    assert cleaned >= {"features/cleaning_returns.py", "data_checks/sql_rules.py", "orchestration/cleaning.py"}
    assert "orchestration/ingest.py" in cleaned  # where the day of a row is told
    assert "features/sales.py" in names("features/known_future.py")
    assert "features/layout.py" in names("features/training.py", "features/repository.py")
    for seen in (built, cleaned):
        assert not seen & {"data_checks/docs_site.py", "data_checks/steward.py", "data_checks/cli.py"}


def test_sets_have_one_fingerprint_whatever_their_order() -> None:
    codes = [f"C{n}" for n in range(40)]
    given = [fingerprint(code=["features/sales.py"], inputs={"codes": v}) for v in (frozenset(codes), sorted(codes))]
    assert given[0] == given[1]


def test_a_stamp_keeps_what_was_said(tmp_path: Path) -> None:
    stamp = Stamp(tmp_path / "made.json")
    assert not stamp.says("a") and stamp.facts() == {}
    stamp.write("a", {"series": 3})
    assert stamp.says("a") and not stamp.says("b") and stamp.facts() == {"series": 3}
    stamp.clear()
    assert not stamp.says("a")


# --- the source's facts, refusals, and tables that belong together, on a folder of sales ---


def shop(folder: Path, *, days: range = range(1, 29), skipped: int = 15, value: int = 3, open_: bool = True) -> None:
    """One series, a row on every day but one."""
    folder.mkdir(exist_ok=True)
    rows = [f"s1,2024-02-{day:02d},{value},units,{open_}" for day in days if day != skipped]
    (folder / "sales.csv").write_text("\n".join(["shop,period_start,value,unit,open", *rows]) + "\n", encoding="utf-8")


def tables(settings: Settings, run_id: str) -> tuple[Workspace, dict[str, TableOutcome]]:
    """Raw and clean tables of a fresh look at the source."""
    workspace = Workspace(settings)
    outcomes = {}
    for spec in TABLES:
        assert ingest_raw(workspace, spec.name).passed
        outcomes[spec.name] = clean_table(workspace, spec.name, run_id=run_id)
    return workspace, outcomes


def said(outcome: TableOutcome) -> dict[str, Any]:
    return {name: value for name, value in outcome.metadata.items() if name != "unchanged"}


def test_what_an_absent_row_means_is_an_input(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    shop(tmp_path / "shop")
    settings = make_settings(source=f"folder:{tmp_path / 'shop'}", home=tmp_path / "home")
    gold = {}
    for absent in ("zero", "missing"):
        (tmp_path / "shop" / "source.yaml").write_text(f"absent: {absent}\n", encoding="utf-8")
        workspace, _ = tables(settings, absent)
        assert build_demand(workspace)["sales"].metadata["unchanged"] is False
        rows = workspace.lake.arrow("gold", "sales").to_pylist()
        gold[absent] = next(row["value"] for row in rows if row["period_start"].day == 15)
    assert gold == {"zero": 0.0, "missing": None}


def test_metrics_are_the_same_when_work_is_skipped(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    shop(tmp_path / "shop")
    settings = make_settings(source=f"folder:{tmp_path / 'shop'}", home=tmp_path / "home")
    workspace, first = tables(settings, "1")
    built = build_demand(workspace)
    workspace, second = tables(settings, "2")
    again = build_demand(workspace)
    assert second["sales"].metadata["unchanged"] is again["sales"].metadata["unchanged"] is True
    assert second["sales"].metadata["in"] == 27
    for name in first:
        assert said(second[name]) == said(first[name]), name
    for name in built:
        assert said(again[name]) == said(built[name]), name
        assert again[name].check_metadata == built[name].check_metadata


def test_going_back_after_a_refusal_clears_it(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    """Good, refused (sold while closed), good again: quarantine, history and check speak of the last delivery."""
    folder = tmp_path / "shop"
    settings = make_settings(source=f"folder:{folder}", home=tmp_path / "home")
    shop(folder)
    workspace, outcomes = tables(settings, "good")
    assert outcomes["sales"].passed
    shop(folder, open_=False)
    workspace, outcomes = tables(settings, "refused")
    assert not outcomes["sales"].passed
    assert workspace.quarantine.rows("sales", status="open").num_rows == 27
    shop(folder)
    workspace, outcomes = tables(settings, "back")
    assert outcomes["sales"].passed and "broken" not in outcomes["sales"].check_metadata
    assert workspace.quarantine.rows("sales", status="open").num_rows == 0
    assert [run.success for run in workspace.history.runs("sales")] == [True, False, True]
    workspace, outcomes = tables(settings, "rest")
    assert outcomes["sales"].metadata["unchanged"] is True


def test_a_kill_between_record_and_write_is_seen(
    make_settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """History then speaks of 20 rows that never arrived; the old 27 are judged again, not reported from there."""
    folder = tmp_path / "shop"
    settings = make_settings(source=f"folder:{folder}", home=tmp_path / "home")
    shop(folder)
    tables(settings, "whole")
    shop(folder, days=range(1, 22))
    workspace = Workspace(settings)
    ingest_raw(workspace, "sales")

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(workspace.lake, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            clean_table(workspace, "sales", run_id="killed")
    assert workspace.history.runs("sales")[-1].counts["in"] == 20
    shop(folder)
    workspace, outcomes = tables(settings, "back")
    assert outcomes["sales"].metadata["in"] == outcomes["sales"].metadata["rows"] == 27


def test_demand_is_written_as_a_whole(
    make_settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused `series` leaves `sales` as it was, though `sales` is judged before it and passes."""
    folder = tmp_path / "shop"
    settings = make_settings(source=f"folder:{folder}", home=tmp_path / "home")
    shop(folder)
    workspace, _ = tables(settings, "1")
    assert {workspace.lake.content_hash("gold", name) for name in demand.NAMES} == {"never written"}
    build_demand(workspace)
    before = {name: workspace.lake.content_hash("gold", name) for name in demand.NAMES}

    shop(folder, value=4)
    workspace, _ = tables(settings, "2")
    conclude = data_checks.gate.conclude

    def refuse_series(contract: Any, tallies: Any, **options: Any) -> Any:
        return dataclasses.replace(conclude(contract, tallies, **options), success=contract.name != "series")

    with monkeypatch.context() as patch:
        patch.setattr(data_checks.gate, "conclude", refuse_series)
        passed = {name: outcome.passed for name, outcome in build_demand(workspace).items()}
    assert passed == {"sales": True, "series": False, "covariates": True}
    assert {name: workspace.lake.content_hash("gold", name) for name in demand.NAMES} == before
    assert build_demand(workspace)["sales"].metadata["unchanged"] is False
    assert workspace.lake.content_hash("gold", "sales") != before["sales"]


def test_feast_is_applied_again_for_another_store_or_series(
    make_settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The password of the store is no input; where it is, and what the series are, is. New rows alone are only published."""
    import features.repository

    shop(tmp_path / "shop")
    source = f"folder:{tmp_path / 'shop'}"
    workspace, _ = tables(make_settings(source=source, home=tmp_path / "home"), "1")
    build_demand(workspace)
    sales = workspace.lake.arrow("gold", "sales", ["series_id", "period_start"])
    workspace.lake.write("features", "sales_state", sales, fingerprint="f")
    applied: list[str] = []
    published: list[int] = []
    monkeypatch.setattr(features.repository, "apply", lambda repository, _: applied.append(repository.online_store))
    monkeypatch.setattr(features.repository, "publish_state", lambda *_, **__: published.append(1) or 7)

    def apply(store: str) -> dict[str, Any]:
        settings = make_settings(source=source, home=tmp_path / "home", online_store=store)
        return feature_tables.apply_feast(Workspace(settings))

    first = apply("redis://:old@host:1")
    again = apply("redis://:new@host:1")
    assert again == {**first, "unchanged": True} and first["rows"] == 7
    assert apply("redis://:new@host:2")["unchanged"] is False
    series = workspace.lake.arrow("gold", "series")
    workspace.lake.write("gold", "series", series.slice(0, 0), fingerprint="other")
    assert apply("redis://:new@host:2")["unchanged"] is False
    assert len(applied) == 2
    assert len(published) == 3
    assert "new" not in (workspace.feast / "applied.json").read_text(encoding="utf-8")

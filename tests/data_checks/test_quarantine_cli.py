"""The stewards' commands."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from data_checks.cli import build_app, build_contracts_app
from data_checks.contracts import ContractError, contract_names
from data_checks.quarantine import Quarantine, QuarantineError

SECOND, THIRD = f"{1:032x}-0", f"{2:032x}-0"
SIGNED = ["--reason", "checked at the till", "--as", "Ada"]


@pytest.fixture
def call(steward_home: Path):
    app = build_app(lambda: steward_home)

    def run(*arguments: str) -> str:
        result = CliRunner(env={"COLUMNS": "160"}).invoke(app, list(arguments), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    return run


@pytest.fixture
def quarantine(steward_home: Path) -> Quarantine:
    return Quarantine(steward_home)


def test_list_counts_rows_by_status_and_rule(call):
    listed = {entry["table"]: entry for entry in json.loads(call("list", "--json"))}
    assert listed["transactions"] == {
        "table": "transactions",
        "rows": {"open": 61, "released": 0, "rejected": 0, "gone": 0},
        "held": 41,
        "open_by_rule": {"between:units": 41, "duplicate:row": 20, "price_near_list": 21},
        "decisions": 0,
    }
    assert listed["stores"]["rows"]["open"] == 0
    assert "price_near_list 21" in call("list")


def test_show_gives_rows_with_reasons(call):
    shown = json.loads(call("show", "transactions", "--rule", "price_near_list", "--limit", "2", "--json"))
    assert (shown["table"], shown["rows"]) == ("transactions", 21)
    assert [row["row_key"] for row in shown["shown"]] == [f"{0:032x}-0", f"{4:032x}-0"]
    assert shown["shown"][0]["rules"] == ["between:units", "price_near_list"]
    assert shown["shown"][0]["raw"]["units"] == "-3"
    text = call("show", "transactions", "--limit", "2")
    assert "units is at least 1" in text
    assert "59 more: raise --limit" in text


def test_release_by_rule_and_reject_by_row(call, quarantine):
    text = call("release", "transactions", "--rule", "price_near_list", *SIGNED)
    assert "21 rows of transactions released, recorded as transactions-1" in text
    recorded = json.loads(call("reject", "transactions", "--row", SECOND, "--row", THIRD, *SIGNED, "--json"))
    assert recorded["decision_id"] == "transactions-2"
    assert (recorded["verdict"], recorded["rows"], recorded["who"]) == ("reject", 2, "Ada")
    log = quarantine.log("transactions")
    assert [(one.verdict, one.scope, one.rows) for one in log] == [("release", "rule", 21), ("reject", "rows", 2)]


def test_overruling_all_is_said(call):
    call("reject", "transactions", "--row", SECOND, *SIGNED)
    assert "1 earlier verdicts were overruled" in call("release", "transactions", "--all", *SIGNED)


def test_the_log_is_newest_first(call):
    call("reject", "transactions", "--row", SECOND, *SIGNED)
    call("release", "transactions", "--row", THIRD, "--reason", "second", "--as", "Bo")
    entries = json.loads(call("log", "--json"))
    assert [entry["decision_id"] for entry in entries] == ["transactions-2", "transactions-1"]
    assert [entry["who"] for entry in json.loads(call("log", "transactions", "--limit", "1", "--json"))] == ["Bo"]
    assert "second" in call("log")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["release", "transactions", "--all", "--reason", "", "--as", "Ada"], "the reason is empty"),
        (["release", "transactions", "--all", "--reason", "x", "--as", " "], "the name is empty"),
        (["release", "transactions", *SIGNED], "either row keys, or one rule, or all"),
        (["release", "transactions", "--all", "--rule", "between:units", *SIGNED], "either row keys, or one rule"),
        (["reject", "transactions", "--rule", "colour", *SIGNED], "rules broken here: between:units, duplicate:row"),
        (["reject", "transactions", "--row", "nope", *SIGNED], "first 'nope'; it holds 61 rows"),
        (["reject", "nowhere", "--all", *SIGNED], "known: products, stores, transactions"),
        (["show", "transactions", "--status", "odd"], "use one of open, released, rejected, gone"),
        (["log", "nowhere"], "known: products, stores, transactions"),
    ],
)
def test_bad_input_says_what_is_known(call, quarantine, arguments, message):
    with pytest.raises(QuarantineError, match=message):
        call(*arguments)
    assert quarantine.log("transactions") == ()


@pytest.mark.parametrize("missing", ["--reason", "--as"])
def test_reason_and_name_are_required(steward_home, missing):
    signed = dict(zip(SIGNED[::2], SIGNED[1::2], strict=True))
    del signed[missing]
    arguments = ["release", "transactions", "--all", *(part for pair in signed.items() for part in pair)]
    result = CliRunner().invoke(build_app(lambda: steward_home), arguments)
    assert result.exit_code == 2
    assert missing in result.output


def test_rows_cannot_write_markup_or_terminal_codes(tmp_path, judged):
    raw = {"store_name": "\x1b]0;owned\x07[red]shop[/red] \u202egnp"}
    Quarantine(tmp_path).write("stores", "all", judged("stores", 1, [("k", ["required:region"], raw, True)]).failing)
    result = CliRunner(env={"COLUMNS": "160"}).invoke(build_app(lambda: tmp_path), ["show", "stores"])
    assert "\x1b" not in result.output
    assert "\u202e" not in result.output
    assert "\\x1b]0;owned\\x07[red]shop[/red]" in result.output


def test_an_empty_home_says_so(tmp_path):
    result = CliRunner().invoke(build_app(lambda: tmp_path), ["list"])
    assert (result.exit_code, result.output) == (0, "No table has been judged yet.\n")
    assert CliRunner().invoke(build_app(lambda: tmp_path), ["log"]).output == "Nobody has decided anything yet.\n"
    assert list(tmp_path.iterdir()) == []


def test_the_home_is_asked_for_only_when_a_command_runs():
    def never() -> Path:
        raise AssertionError("asked")

    assert CliRunner().invoke(build_app(never), ["--help"]).exit_code == 0


def test_contracts_are_listed_and_shown():
    app = build_contracts_app()
    listed = json.loads(CliRunner().invoke(app, ["list", "--json"]).output)
    assert [entry["name"] for entry in listed] == list(contract_names())
    shown = json.loads(CliRunner().invoke(app, ["show", "stores", "--json"]).output)
    assert shown["primary_key"] == ["store_id"]
    text = CliRunner(env={"COLUMNS": "160"}).invoke(app, ["show", "stores"]).output
    assert "store_id (key)" in text
    assert "area_m2 is above 0 and at most 50000." in text
    with pytest.raises(ContractError, match=r"no such contract; there are approved_samples, .*calendar"):
        CliRunner().invoke(app, ["show", "nowhere"], catch_exceptions=False)

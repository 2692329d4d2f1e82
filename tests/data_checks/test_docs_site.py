"""The validation site and the history it is drawn from."""

import dataclasses
import json
import os
import re
import shutil
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

from data_checks.contracts import load_contract
from data_checks.docs_site import build_site
from data_checks.quarantine import Quarantine
from data_checks.validation_history import SAMPLE_PER_RULE, ValidationHistory

VOID = {"meta", "link", "input", "br", "img", "hr"}


class Page(HTMLParser):
    """Addresses, tags and text of a page; fails on tags that do not close in order."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.addresses: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(path.read_text("utf-8"))
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.addresses += [value or "" for name, value in attrs if name in {"href", "src", "action", "data", "srcset"}]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data + " "


@pytest.fixture
def site(built_site: Path) -> Path:
    return built_site


@pytest.fixture
def own_site(built_site: Path, tmp_path: Path) -> Path:
    return shutil.copytree(built_site, tmp_path / "site")


def squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def test_every_address_on_every_page_is_a_file_of_the_site(site):
    pages = sorted(site.glob("*.html"))
    assert len(pages) > 30
    for path in pages:
        for address in Page(path).addresses:
            assert re.fullmatch(r"[A-Za-z0-9_.-]+|#content", address), f"{path.name} points at {address}"
            assert address.startswith("#") or (site / address).is_file(), f"{path.name} points at {address}"
    css = (site / "style.css").read_text()
    assert "url(" not in css
    assert "@import" not in css


def test_pages_run_no_script_and_keep_styles_in_the_style_sheet(site):
    for path in site.glob("*.html"):
        for tag, attributes in Page(path).tags:
            assert tag not in {"script", "iframe", "object", "embed", "style", "img"}, path.name
            assert not [name for name in attributes if name.startswith("on") or name == "style"], path.name


def test_hostile_rows_are_shown_as_text(site):
    page = Page(site / "table-transactions.html")
    assert "<script>document.title='owned'</script>" in page.text
    assert "<script>document" in Page(site / "expectations-transactions.html").text


def test_index_shows_verdict_counts_worst_rule_and_last_run(site):
    rows = squeezed(Page(site / "index.html").text).split("Last run")[-1]
    assert "1 of 3 tables are blocked" in squeezed(Page(site / "index.html").text)
    blocked, passed = rows.index("transactions"), rows.index("products")
    assert blocked < passed
    line = rows[blocked:passed]
    for expected in (
        "✕ Blocked",
        "1,000",
        "939",
        "41",
        "20",
        "between:units",
        "4.1 %, 2 % tolerated",
        "2026-03-12 06:00",
    ):
        assert expected in line
    assert "1,234,567" in rows[passed:]


def test_table_page_orders_rules_by_their_distance_to_tolerance(site):
    text = squeezed(Page(site / "table-transactions.html").text)
    assert text.index("between:units") < text.index("price_near_list") < text.index("duplicate:row")
    assert "4.1 %, 2 % tolerated" in text
    assert "2 %, 3 % tolerated" in text
    kept = len(load_contract("transactions").rules) - 3
    assert f"{kept} rules that no row breaks" in text
    assert "units = -3" in text


def test_contract_page_says_it_all_in_words(site):
    text = squeezed(Page(site / "contract-transactions.html").text)
    contract = load_contract("transactions")
    for column in contract.columns:
        assert column.name in text
        assert squeezed(column.description) in text
    for rule in contract.rules:
        assert squeezed(rule.description) in text
    for expected in (contract.owner, "EUR", "transaction_id, line_no", "sold_at at most 2 days old"):
        assert expected in text


def test_expectations_page_starts_with_what_is_not_met(site):
    text = squeezed(Page(site / "expectations-transactions.html").text)
    rules = len(load_contract("transactions").rules)
    assert f"{rules - 2} of {rules} expectations met" in text
    assert text.index("✕ Not met") < text.index("✓ Met")


def test_tables_have_headers_and_charts_have_words(site):
    page = Page(site / "table-transactions.html")
    assert all(attributes.get("scope") in {"col", "row"} for tag, attributes in page.tags if tag == "th")
    spoken = [attributes["aria-label"] for tag, attributes in page.tags if tag == "svg"]
    assert "4.1 % failing, 2 % tolerated" in spoken
    assert any("over 12 runs" in words and "1 runs blocked" in words for words in spoken)


def test_links_to_a_running_steward_only_where_there_is_one(site, steward_home, tmp_path):
    assert "storeloop quarantine show transactions" in Page(site / "table-transactions.html").text
    linked = build_site(
        tmp_path / "linked",
        history=ValidationHistory(steward_home),
        quarantine=Quarantine(steward_home),
        steward="http://127.0.0.1:8800",
    )
    addresses = Page(linked.parent / "table-transactions.html").addresses
    assert "http://127.0.0.1:8800/quarantine/transactions?rule=between%3Aunits" in addresses


def test_building_again_is_idempotent_and_drops_pages_of_contracts_that_are_gone(own_site, steward_home):
    site = own_site

    def build(contracts=None):
        build_site(
            site, history=ValidationHistory(steward_home), quarantine=Quarantine(steward_home), contracts=contracts
        )
        return {path.name: path.read_bytes() for path in site.iterdir()}

    (site / "notes.html").write_text("mine")
    before = {path.name: path.read_bytes() for path in site.iterdir()}
    assert build() == before
    after = build({"stores": load_contract("stores")})
    assert "contract-stores.html" in after
    assert "contract-sales.html" not in after
    assert after["notes.html"] == b"mine"


def test_an_empty_home_makes_a_page_that_says_so(tmp_path):
    index = build_site(
        tmp_path / "site", history=ValidationHistory(tmp_path), quarantine=Quarantine(tmp_path), contracts={}
    )
    assert "No table has been judged yet" in Page(index).text


def test_history_keeps_runs_in_order_and_counts_a_repeated_run_once(tmp_path, judged, steward_home):
    history = ValidationHistory(steward_home)
    runs = history.runs("transactions")
    assert [run.run_id for run in runs] == [f"run-{number}" for number in range(12)]
    assert [run.counts["quarantined"] for run in runs][:3] == [4, 6, 4]
    assert [run.success for run in runs] == [True] * 11 + [False]
    assert runs[-1].held_back_fraction == pytest.approx(0.041)
    assert runs[-1].worst.rule_id == "between:units"
    again = history.record(judged("transactions", 10, []), run_id="run-11")
    assert history.runs("transactions")[-1] == again
    assert len(history.runs("transactions")) == 12
    assert history.refusals() == ()


def test_refusals_are_listed_over_all_tables_by_time(steward_home, judged):
    history = ValidationHistory(steward_home)
    (blocked,) = history.refusals()
    later = judged("stores", 1, [("k", ["required:region"], {"region": None}, True)])
    history.record(later, run_id="later")
    assert [run.table for run in history.refusals()] == ["transactions", "stores"]
    assert blocked.when == "2026-03-12T06:00:00.000000Z"


def test_a_run_killed_before_its_journal_line_leaves_the_last_run(steward_home, judged, monkeypatch):
    history = ValidationHistory(steward_home)
    before = history.runs("transactions")

    def power_cut(path: Path, entry: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("data_checks.validation_history.append_entry", power_cut)
    with pytest.raises(KeyboardInterrupt):
        history.record(judged("transactions", 10, []), run_id="run-12")
    assert history.runs("transactions") == before


def test_the_sample_holds_rows_of_rare_rules_too(tmp_path, judged):
    rows = [(f"k{n:04d}", ["between:units"], {"units": 0}, True) for n in range(500)]
    rows += [("rare", ["required:store_id"], {"store_id": None}, True)]
    history = ValidationHistory(tmp_path)
    run = history.record(judged("transactions", 1_000, rows), run_id="r")
    keys = [row["row_key"] for row in history.result(run).sample]
    assert keys == [f"k{n:04d}" for n in range(SAMPLE_PER_RULE)] + ["rare"]


@pytest.mark.parametrize("name", ["../x", "", "a/b"])
def test_history_refuses_names_that_leave_its_folder(tmp_path, judged, name):
    with pytest.raises(ValueError, match="use 1 to 100 letters"):
        ValidationHistory(tmp_path).record(judged("stores", 1, []), run_id=name)


def test_a_rule_that_could_not_be_judged_says_why(tmp_path, judged):
    result = judged("stores", 5, [])
    facts = (
        dataclasses.replace(result.facts[0], rows=0, note="table regions is not there <b>yet</b>"),
        *result.facts[1:],
    )
    history = ValidationHistory(tmp_path)
    history.record(dataclasses.replace(result, facts=facts), run_id="r")
    index = build_site(tmp_path / "site", history=history, quarantine=Quarantine(tmp_path))
    assert "Not judged table regions is not there <b>yet</b>" in squeezed(Page(index.parent / "table-stores.html").text)


def test_a_table_blocked_for_another_reason_than_its_rules_says_where_to_look(tmp_path, judged):
    history = ValidationHistory(tmp_path)
    history.record(dataclasses.replace(judged("stores", 0, []), success=False), run_id="r")
    index = build_site(tmp_path / "site", history=history, quarantine=Quarantine(tmp_path))
    assert "blocked by another expectation" in squeezed(Page(index).text)
    assert "No rule is over its tolerance" in squeezed(Page(index.parent / "table-stores.html").text)


def test_a_table_blocked_by_a_rule_points_at_no_other_reason(site):
    assert "another expectation" not in Page(site / "index.html").text
    assert "another expectation" not in Page(site / "table-transactions.html").text


def test_an_exception_inside_great_expectations_is_shown(tmp_path, judged):
    result = judged("stores", 5, [])
    validation = json.loads(json.dumps(result.validation))
    validation["results"][3]["success"] = False
    validation["results"][3]["exception_info"] = {
        "('table.row_count', '1', ())": {"raised_exception": True, "exception_message": "no such metric"}
    }
    history = ValidationHistory(tmp_path)
    history.record(dataclasses.replace(result, validation=validation), run_id="r")
    index = build_site(tmp_path / "site", history=history, quarantine=Quarantine(tmp_path))
    assert "no such metric" in Page(index.parent / "expectations-stores.html").text


def test_a_full_disk_leaves_the_old_page(own_site, steward_home, judged, monkeypatch):
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    before = (own_site / "index.html").read_bytes()
    ValidationHistory(steward_home).record(judged("stores", 7, []), run_id="newer")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        build_site(own_site, history=ValidationHistory(steward_home), quarantine=Quarantine(steward_home))
    monkeypatch.undo()
    assert (own_site / "index.html").read_bytes() == before


def test_a_year_of_runs_is_drawn_in_three_seconds(tmp_path, judged):
    history = ValidationHistory(tmp_path)
    history.record(judged("transactions", 1_000, []), run_id="run-0")
    journal = tmp_path / "validation" / "transactions" / "runs.jsonl"
    line = journal.read_text()
    journal.write_text("".join(line.replace('"run-0"', f'"run-{364 - run}"') for run in range(365)))
    started = time.process_time()
    build_site(tmp_path / "site", history=history, quarantine=Quarantine(tmp_path))
    assert time.process_time() - started < 3
    assert "The last 30 runs" in Page(tmp_path / "site" / "table-transactions.html").text

"""`storeloop shop` as a person types it: from events in a file to a bill, a review and a decision, and to the ledger's proof."""

import json
from pathlib import Path
from typing import Any

import pytest
from till_shop import LIST, entered, left, moved
from typer.testing import CliRunner, Result

from serving.settlement.ledger_cli import build_ledger_app
from serving.settlement.shop_cli import build_shop_app


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("KAFKA", "BOOKS", "SOURCES"):
        monkeypatch.delenv(f"STORELOOP_SHOP_{name}", raising=False)
    return tmp_path / "home"


def shop(home: Path, *arguments: str, **given: Any) -> Result:
    return CliRunner().invoke(build_shop_app(lambda: home), list(arguments), **given)


def lines(*events: Any) -> str:
    return "\n".join(each.model_dump_json() for each in events) + "\n"


def test_from_events_to_a_bill_a_decision_and_a_proof(home: Path, tmp_path: Path) -> None:
    sure, asked = moved("take", "milk", 10, 2), moved("take", "tea", 20, sure=0.7)
    told = shop(home, "tell", "-", input=lines(LIST, entered(), sure, asked, left(), sure))
    assert told.exit_code == 0 and "events 6" in told.output
    told = shop(home, "settle", "--once", "--json")
    assert json.loads(told.stdout) == {"events": 6, "refused": 0, "entries": 1}
    assert "s1  v  tea  1 likely (70 %)  unsure" in shop(home, "reviews").output
    assert "2.38 EUR" in shop(home, "bill", "v", "--shop", "s1").output
    told = shop(home, "decide", "v", "tea", "1", "--by", "ann", "--reason", "seen on film", "--shop", "s1")
    assert told.exit_code == 0, told.output
    assert json.loads(shop(home, "settle", "--once", "--json").stdout)["entries"] == 1
    known = json.loads(shop(home, "bill", "v", "--shop", "s1", "--json").stdout)
    assert (known["bill"]["total_cents"], known["reviews"], known["version"]) == (488, {}, 2)
    assert json.loads(shop(home, "reviews", "--json").stdout) == {"reviews": []}
    receipt = tmp_path / "receipt.json"
    ledger = build_ledger_app(lambda: home)
    told = CliRunner().invoke(ledger, ["prove", "bill:s1:v:1", "--out", str(receipt)])
    assert told.exit_code == 0, told.output
    assert json.loads(receipt.read_text())["entry"]["body"]["decided"] == {
        "tea": {"by": "ann", "reason": "seen on film"}
    }
    told = CliRunner().invoke(ledger, ["verify", str(receipt), "--key", str(home / "ledger" / "public.pem")])
    assert told.exit_code == 0, told.output


def test_bad_input_says_line_value_and_remedy_and_sends_nothing(home: Path) -> None:
    told = shop(home, "tell", "-", input=lines(LIST) + '{"kind": "moved", "count": 0}\n')
    assert told.exit_code == 1 and "line 2: " in told.output and "event_id" in told.output
    assert json.loads(shop(home, "settle", "--once", "--json").stdout)["events"] == 0
    told = shop(home, "decide", "nobody", "tea", "1", "--by", "ann", "--reason", "x")
    assert told.exit_code == 1 and "no visit 'nobody'" in told.output and "shop reviews" in told.output
    assert shop(home, "bill", "nobody").exit_code == 1


def test_the_flink_job_is_printed_whole(home: Path) -> None:
    told = shop(home, "flink-job", "--servers", "kafka:9092", "--checkpoints", "file:///checkpoints", "--refunds", "7")
    assert told.exit_code == 0 and ">= 7\n" in told.stdout and told.stdout.rstrip().endswith("END;")
    told = shop(home, "flink-job", "--servers", "kafka'", "--checkpoints", "file:///checkpoints")
    assert told.exit_code == 1 and "servers" in told.output

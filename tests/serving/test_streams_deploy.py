"""What compose makes of Kafka and Flink, as far as it can be tried without them: topics, volumes, and who waits for whom."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from running import ROOT

from serving.settlement.flink_job import FlinkJobConfig, job

STREAMS = ROOT / "serving" / "deploy" / "streams"


@pytest.fixture
def services() -> dict[str, Any]:
    return yaml.safe_load((STREAMS / "compose.yaml").read_text())["services"]


def test_topics_keep_what_totals_are_made_of(services: dict[str, Any], tmp_path: Path) -> None:
    tool, made = tmp_path / "kafka-topics.sh", tmp_path / "made"
    tool.write_text(f'#!/bin/sh\n[ -e {made} ] || {{ : > {made}; exit 1; }}\necho "$@" >> {made}\n')  # away at first
    tool.chmod(0o755)
    topics = services["topics"]
    script = (
        topics["command"][0]
        .replace("$$", "$")
        .replace("/opt/kafka/bin/kafka-topics.sh", str(tool))
        .replace("sleep 2", ":")
    )
    subprocess.run([*topics["entrypoint"], script], check=True, timeout=20)
    words = [line.split() for line in made.read_text().splitlines()]
    told = {
        each[each.index("--topic") + 1]: each[each.index("--config") + 1 :] if "--config" in each else []
        for each in words
    }
    assert told == {
        **{f"shop-{name}": ["retention.ms=-1"] for name in ("entries", "movements", "reviews")},
        **{f"shop-{name}": ["cleanup.policy=compact"] for name in ("totals", "suspicious")},
        **{f"shop-{name}": [] for name in ("events", "refused", "shelf", "unattributed")},
    }


def test_logs_and_checkpoints_lie_on_volumes_that_can_be_written(services: dict[str, Any]) -> None:
    kafka = services["kafka"]
    assert f"kafka:{kafka['environment']['KAFKA_LOG_DIRS']}" in kafka["volumes"]
    owner = services["checkpoints"]
    assert owner["user"] == "root" and owner["entrypoint"] == ["chown", "flink:flink", "/checkpoints"]
    for each in (owner, services["flink-manager"], services["flink-worker"]):
        assert each["volumes"] == ["checkpoints:/checkpoints"]
        assert each is owner or each["depends_on"]["checkpoints"] == {"condition": "service_completed_successfully"}
    told = job(FlinkJobConfig(servers="kafka:29092", checkpoints="file:///checkpoints"))
    assert "SET 'table.exec.state.ttl' = '0 s';" in told, "a late correction would replace a total"


def test_bills_wait_for_boxes_where_there_are_any(services: dict[str, Any]) -> None:
    assert services["shop"]["environment"]["STORELOOP_SHOP_SOURCES"] == "${STORELOOP_SERVE_BOXES:+attributor}"
    stateful, _ = yaml.safe_load_all((STREAMS / "kubernetes.yaml").read_text())
    (shop,) = stateful["spec"]["template"]["spec"]["containers"]
    assert {"name": "STORELOOP_SHOP_SOURCES", "value": "attributor"} in shop["env"]
    paths = {name: shop[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness", "liveness")}
    assert paths == {"startup": "/livez", "readiness": "/readyz", "liveness": "/livez"}

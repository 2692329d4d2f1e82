"""The row of prices on a box, of markets and of fresh goods: the service's to the cent, outside the range of training too, how large
the bundle is, how soon a label has its price."""

import importlib.util
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from bench_row import BenchContext, BenchResult, BenchRow

ROOT = Path(__file__).parents[2]
STEPS, SHELVES, SEED = 1_500, 10_000, 17  # enough for networks that choose every price; shelves a market
FRESH_GOODS, FRESH_SHELVES = 1_000, 50_000
BENT, FRESH_BENT = (
    2_000,
    10_000,
)  # shelves a market that the service's answering layer prices, most of them bent out of range
TOLERANCE = 1e-4
# Runs on the box, where the extra `edge` alone is installed: reads what networks and service answered and situations of labels.
ON_THE_BOX = """
import json, sys, time
from datetime import UTC, datetime
from pathlib import Path
import numpy as np
from safetensors.numpy import load as load_tensors
from models.common.keys import read_public_key
from edge.label_situations import read_situation
from edge.labels import open_prices, reprice
from edge.pricing import open_bot
from edge.pricing_checks import relative
from edge.update import BUNDLES, installed
from models.pricing.predict import load

home, key, release, answers, labels, service = map(Path, sys.argv[1:])
tensors = load_tensors(answers.read_bytes())
bot = open_bot(home / BUNDLES / installed(home).current)
prices = differ = 0
worst = 0.0
for trial in bot.trials:
    asked, price, values = trial.from_tensors(tensors)
    reply = bot.quote(asked)
    prices, differ = prices + price.size, differ + int((reply.price != price).sum())
    worst = max(worst, float(relative(trial.ladder(asked), reply.values, values).max()))


answered = outside = otherwise = 0
for market, told in json.loads(service.read_bytes()).items():
    rows = bot.ask(bot.check({"market": market, "shelves": told["shelves"]})).reply["shelves"]
    for row, wanted in zip(rows, told["rows"], strict=True):
        found = [row["price"], row["rule"], row.get("served_by", "network"), [each["variable"] for each in row["outside"]]]
        answered, outside, otherwise = answered + 1, outside + bool(row["outside"]), otherwise + (found != wanted)


def milliseconds(call, times):
    took = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        took.append(1e3 * (time.perf_counter() - began))
    return np.quantile(took, [0.5, 0.99]).tolist()


runtime = open_prices(home, read_public_key(key))
cloud = load(release / "artifact")
found = {"prices": prices, "differ": differ, "worst": worst}
found |= {"answered": answered, "outside": outside, "otherwise": otherwise}
passes = iter(range(100))
for kind, rows in json.loads(labels.read_bytes()).items():
    shelf = {name: value for name, value in rows[0].items() if name not in {"id", "label", "market"}}
    request = {"market": rows[0]["market"], "shelves": [shelf]}
    question = bot.check(request).asked.request(bot.known, np.array([True]))

    def label_pass():
        number = next(passes)
        those = [read_situation(row | {"id": f"{row['id']}-{number}"}) for row in rows]
        assert reprice(home, runtime, those, now=datetime.now(UTC)).decided == len(rows)

    runtime.answer(request), cloud.predict(question)
    found[kind] = {
        "quote": milliseconds(lambda: runtime.answer(request), 2_000),
        "inside": milliseconds(lambda: bot.quote(question), 2_000),
        "numpy": milliseconds(lambda: cloud.predict(question), 2_000),
        "labels": milliseconds(label_pass, 7),
    }
print(json.dumps(found))
"""


def _beside(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / "edge" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _release(folder: Path) -> Path:
    """Networks of all shipped problems and of 1,000 random fresh goods after a little training."""
    from models.pricing.config import Config
    from models.pricing.data import prepare, problem_table
    from models.pricing.fresh_data import goods_table
    from models.pricing.instances import SHIPPED, read_instances
    from models.pricing.ladder import write_ladders
    from models.pricing.predict import load
    from models.pricing.train import train

    made = _beside("pricing_release")
    told, goods = made.fresh_spec(FRESH_GOODS), made.random_goods(FRESH_GOODS, seed=SEED)
    cfg = Config(steps=STEPS, fresh_steps=STEPS, explore_share=1.0, fresh_rules=told.rules)
    tables = {
        "instances": problem_table(read_instances(SHIPPED), made.RULES),
        "fresh_goods": goods_table(told.goods, goods, "2024-06-30"),
    }
    data = prepare(tables, cfg)
    train(data, cfg, seed=SEED).save(folder / "artifact")
    spec = load(folder / "artifact").spec
    write_ladders(folder / "fallback", made.random_ladders(spec, goods, seed=SEED))
    return folder


def _answers(cloud: Any) -> bytes:
    """Shelves of every market and of fresh goods, and what the cloud says of them."""
    from safetensors.numpy import save

    from edge.fresh_checks import FreshTrial
    from edge.pricing_checks import MarketTrial
    from models.pricing.market import build_market

    tensors = {}
    for trial in (*(MarketTrial(build_market(each.instance)) for each in cloud.spec.markets), FreshTrial(cloud.fresh)):
        asked = trial.situations(FRESH_SHELVES if isinstance(trial, FreshTrial) else SHELVES, seed=SEED)
        tensors |= trial.to_tensors(asked, cloud.predict(asked))
    return bytes(save(tensors))


def _service(release: Path, cloud: Any, made: Any) -> dict[str, Any]:
    """Shelves of every market and of fresh goods, most of them bent out of the range of training, and the service's rows: price,
    rule, who gave it, variables outside."""
    from edge.fresh_checks import FreshTrial
    from edge.pricing_checks import situations
    from models.pricing.ladder import NAME
    from models.pricing.market import build_market

    wild, told = _beside("pricing_wild"), {}
    service = wild.Cloud(release)
    plain = {
        each.instance.name: made.shelves_of(situations(build_market(each.instance), BENT, seed=SEED))
        for each in cloud.spec.markets
    }
    plain["fresh"] = made.fresh_shelves_of(FreshTrial(cloud.fresh).situations(FRESH_BENT, seed=SEED))
    for market, whole in plain.items():
        shelves = wild.bend(whole, seed=SEED)
        rows = [
            [row["price"], row["rule"], NAME if row["served_by"] == NAME else "network", [each["variable"] for each in row["outside"]]]
            for row in service.rows(market, shelves)
        ]  # fmt: skip
        told[market] = {"shelves": shelves, "rows": rows}
    return told


def edge(context: BenchContext) -> BenchResult:
    from edge.export import ExportError, build_bundle
    from models.common.keys import generate_keys, read_private_key
    from models.pricing.predict import load

    folder = context.scratch
    release, key = _release(folder / "release"), folder / "trusted.pem"
    generate_keys(folder / "signing.pem", key)
    private, bundle = read_private_key(folder / "signing.pem"), folder / "1.bundle"
    _, reports = build_bundle(release, bundle, private, revision=1)
    try:
        build_bundle(release, folder / "2.bundle", private, revision=2, precision="int8")
        small = f"weights of 8 bits: {(folder / '2.bundle').stat().st_size / 1e6:.2f} MB, no price moved"
    except ExportError as error:
        small = f"weights of 8 bits refused ({error})"
    cloud, made = load(release / "artifact"), _beside("pricing_release")
    (folder / "answers.safetensors").write_bytes(_answers(cloud))
    rows = {
        "market": made.situations_of("salad", 1_000, seed=SEED),
        "fresh": made.fresh_situations_of(cloud.fresh, 1_000, seed=SEED),
    }
    (folder / "labels.json").write_text(json.dumps(rows))
    (folder / "service.json").write_text(json.dumps(_service(release, cloud, made)))
    python = _beside("edge_venv").make_edge_venv(folder)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    def on_the_box(*arguments: Any) -> dict[str, Any]:
        command = [python, *map(str, arguments)]
        return json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)

    on_the_box("-m", "edge.cli", "update", bundle, "--home", folder / "box", "--key", key, "--json")
    files = (
        folder / "box",
        key,
        release,
        folder / "answers.safetensors",
        folder / "labels.json",
        folder / "service.json",
    )
    found = on_the_box("-c", ON_THE_BOX, *files)
    graphs = sum(report.bytes_after for report in reports) / 1e3
    return verdict(found, bundle.stat().st_size / 1e6, f"{len(reports)} graphs of {graphs:.0f} kB in all; {small}")


def verdict(found: dict[str, Any], size_mb: float, note: str) -> BenchResult:
    """Equal prices decide; the times are told."""
    market, fresh = found["market"], found["fresh"]
    told = (
        f"{found['differ']} of {found['prices']:,} prices of networks differ, values by {found['worst']:.1e} at most; of "
        f"{found['answered']:,} shelves, {found['outside']:,} outside the range of training, {found['otherwise']} get another price, "
        f"rule or source than from the service; bundle {size_mb:.2f} MB; "
        f"a market's quote {_times(market)}; a fresh good's {_times(fresh)}, {fresh['inside'][0] / fresh['numpy'][0]:.2f}x the "
        f"cloud's; {note}"
    )
    met = found["differ"] == found["otherwise"] == 0 < found["outside"] and found["worst"] <= TOLERANCE
    bound = f"every price, rule and source the service's, values within {TOLERANCE}"
    return BenchResult(market["inside"][0], "ms a quote", "the cloud's in NumPy", market["numpy"][0], bound, met, told)


def _times(of: dict[str, Any]) -> str:
    return (
        f"p50 {of['quote'][0]:.2f} ms, p99 {of['quote'][1]:.2f} ms with checks and deadline, {of['inside'][0]:.2f} ms without, "
        f"1,000 labels {of['labels'][0]:.0f} ms, on the disk"
    )


ROWS = [
    BenchRow("pricing-edge", "pricing", "quote on an edge box", edge, rooms=("models", "serving", "edge")),
]

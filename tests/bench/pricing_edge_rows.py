"""The row of prices on a box: the cloud's to the cent, how large the bundle is, how soon a label has its price."""

import importlib.util
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from bench_row import BenchContext, BenchResult, BenchRow

ROOT = Path(__file__).parents[2]
STEPS, SHELVES, SEED = 1_500, 10_000, 17  # enough for networks that choose every price; shelves a market
TOLERANCE = 1e-4
# Runs on the box, where the extra `edge` alone is installed: reads what the cloud answered and the situations of labels.
ON_THE_BOX = """
import json, sys, time
from datetime import UTC, datetime
from pathlib import Path
import numpy as np
from safetensors.numpy import load as load_tensors
from edge.keys import read_public_key
from edge.labels import Situation, open_prices, reprice
from edge.pricing import open_bot
from edge.pricing_checks import from_tensors, relative
from edge.update import BUNDLES, installed
from models.pricing.market import build_market
from models.pricing.predict import load

home, key, release, answers, labels = map(Path, sys.argv[1:])
tensors = load_tensors(answers.read_bytes())
bot = open_bot(home / BUNDLES / installed(home).current)
prices = differ = 0
worst = 0.0
for each in bot.spec.markets:
    market = build_market(each.instance)
    asked, price, values = from_tensors(tensors, market.name)
    reply = bot.quote(asked)
    prices, differ = prices + price.size, differ + int((reply.price != price).sum())
    worst = max(worst, float(relative(market, reply.values, values).max()))


def milliseconds(call, times):
    took = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        took.append(1e3 * (time.perf_counter() - began))
    return np.quantile(took, [0.5, 0.99]).tolist()


runtime = open_prices(home, read_public_key(key))
rows = json.loads(labels.read_bytes())
shelf = {name: rows[0][name] for name in ("period", "stock", "before", "factors")}
request = {"market": rows[0]["market"], "shelves": [shelf]}
question = bot.check(request).asked
cloud = load(release / "artifact")
runtime.answer(request), cloud.predict(question)
quote, inside = milliseconds(lambda: runtime.answer(request), 2_000), milliseconds(lambda: bot.quote(question), 2_000)
numpy = milliseconds(lambda: cloud.predict(question), 2_000)
passes = iter(range(100))


def label_pass():
    number = next(passes)
    those = [Situation.model_validate(row | {"id": f"{row['id']}-{number}"}) for row in rows]
    assert reprice(home, runtime, those, now=datetime.now(UTC)).decided == len(rows)


print(json.dumps({"prices": prices, "differ": differ, "worst": worst, "quote": quote, "inside": inside, "numpy": numpy,
                  "labels": milliseconds(label_pass, 7)}))
"""


def _beside(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / "edge" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _release(folder: Path) -> Path:
    """Networks of all shipped problems after a little training."""
    from models.pricing.config import Config
    from models.pricing.data import prepare, problem_table
    from models.pricing.instances import SHIPPED, read_instances
    from models.pricing.train import train

    cfg = Config(steps=STEPS, explore_share=1.0)
    rules = _beside("pricing_release").RULES
    data = prepare({"instances": problem_table(read_instances(SHIPPED), rules)}, cfg)
    train(data, cfg, seed=SEED).save(folder / "artifact")
    return folder


def _answers(release: Path) -> bytes:
    """Shelves of every market and what the cloud says of them."""
    from safetensors.numpy import save

    from edge.pricing_checks import situations, to_tensors
    from models.pricing.market import build_market
    from models.pricing.predict import load

    cloud, tensors = load(release / "artifact"), {}
    for each in cloud.spec.markets:
        asked = situations(build_market(each.instance), SHELVES, seed=SEED)
        tensors |= to_tensors(asked, cloud.predict(asked))
    return bytes(save(tensors))


def edge(context: BenchContext) -> BenchResult:
    from edge.export import ExportError, build_bundle
    from edge.keys import generate_keys, read_private_key

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
    (folder / "answers.safetensors").write_bytes(_answers(release))
    rows = _beside("pricing_release").situations_of("salad", 1_000, seed=SEED)
    (folder / "labels.json").write_text(json.dumps(rows))
    python = _beside("edge_venv").make_edge_venv(folder)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    def on_the_box(*arguments: Any) -> dict[str, Any]:
        command = [python, *map(str, arguments)]
        return json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)

    on_the_box("-m", "edge.cli", "update", bundle, "--home", folder / "box", "--key", key, "--json")
    files = (folder / "box", key, release, folder / "answers.safetensors", folder / "labels.json")
    found = on_the_box("-c", ON_THE_BOX, *files)
    graphs = sum(report.bytes_after for report in reports) / 1e3
    return verdict(found, bundle.stat().st_size / 1e6, f"{len(reports)} graphs of {graphs:.0f} kB in all; {small}")


def verdict(found: dict[str, Any], size_mb: float, note: str) -> BenchResult:
    """Equal prices decide; the times are told."""
    told = (
        f"{found['differ']} of {found['prices']:,} prices differ, values by {found['worst']:.1e} at most; bundle {size_mb:.2f} MB; "
        f"a quote p50 {found['quote'][0]:.2f} ms, p99 {found['quote'][1]:.2f} ms with checks and deadline, "
        f"{found['inside'][0]:.2f} ms without; 1,000 labels {found['labels'][0]:.0f} ms, on the disk; {note}"
    )
    met = found["differ"] == 0 and found["worst"] <= TOLERANCE
    bound = f"every price the cloud's to the cent, values within {TOLERANCE}"
    return BenchResult(found["inside"][0], "ms a quote", "the cloud's in NumPy", found["numpy"][0], bound, met, told)


ROWS = [
    BenchRow("pricing-edge", "pricing", "quote on an edge box", edge, rooms=("models", "edge")),
]

"""A release of prices of all shipped problems, with random networks. Loaded by path, not a test."""

from datetime import date
from pathlib import Path

import numpy as np

from edge.keys import generate_keys, read_private_key
from models.common.artifact import write_artifact
from models.pricing.config import Config
from models.pricing.guardrails import Rules
from models.pricing.instances import SHIPPED, read_instances
from models.pricing.market import build_market
from models.pricing.network import Network
from models.pricing.predict import MODEL, WEIGHTS
from models.pricing.spec import FORMAT_VERSION, MarketSpec, ModelSpec
from models.pricing.state import NAMES, width

# Rules that bite and meet one another: a ceiling between prices of the ladder, a floor above the lowest, steps under a cent.
RULES = {
    "salad": Rules(essential=True, largest_change=0.25, margin_floor=-0.2),
    "fish": Rules(floor=3.49, ceiling=7.77, margin_floor=0.1),
    "oysters": Rules(largest_change=0.0005),
    "flight": Rules(floor=70, ceiling=199.99),
    "parking": Rules(essential=True, margin_floor=0.3, largest_change=0.15),
}


def he_network(inputs: int, prices: int, *, seed: int, heads: float = 0.03, value: float = 1.0) -> Network:
    """Random weights after He et al. (2015), times `heads` in the two that tell prices apart (0: as before training) and `value`
    in the third. Heads of full size would drown the gains, and one price would always be the best."""
    hidden, shares = 128, {"advantage": heads, "weight": heads, "value": value}
    rng = np.random.default_rng(seed)
    shapes = {"first": (hidden, inputs), "second": (hidden, hidden)}
    shapes |= {"value": (1, hidden), "advantage": (prices, hidden), "weight": (1, hidden)}
    parts = {}
    for name, (out, fan_in) in shapes.items():
        scale = shares.get(name, 1.0) * np.sqrt(2 / fan_in)
        parts[f"{name}.weight"] = (scale * rng.normal(size=(out, fan_in))).astype(np.float32)
        parts[f"{name}.bias"] = (0.1 * scale * rng.normal(size=out)).astype(np.float32)
    return Network(parts)


def write_release(folder: Path, *, seed: int = 5, **shares: float) -> Path:
    """`folder/artifact`, as `models.pricing.train.Trained.save` writes it; returns `folder`."""
    instances = read_instances(SHIPPED)
    spec = ModelSpec(
        format_version=FORMAT_VERSION,
        variables=NAMES,
        markets=tuple(MarketSpec(instance=each, rules=RULES.get(each.name, Rules())) for each in instances),
    )
    files: dict[str, bytes | Path] = {MODEL: spec.model_dump_json().encode()}
    for number, each in enumerate(instances):
        market = build_market(each)
        network = he_network(width(market), len(market.prices), seed=100 * seed + number, **shares)
        files[WEIGHTS.format(market.name)] = network.to_bytes()
    write_artifact(
        folder / "artifact", name="pricing", config=Config(), files=files, metrics=(), input_schema={}, output_schema={},
        data_fingerprint="shipped", code_revision="test", trained_until=date(1970, 1, 1), seed=seed,
    )  # fmt: skip
    return folder


class Shop:
    """A release, its keys and bundles of it, under `root`."""

    def __init__(self, root: Path, **options) -> None:
        self.root, self.home = root, root / "box"
        self.folder = write_release(root / "release", **options)
        self.private, self.public = root / "signing.pem", root / "trusted.pem"
        if not self.public.exists():
            generate_keys(self.private, self.public)

    def bundle(self, revision: int = 1, **options) -> Path:
        from edge.export import build_bundle

        out = self.root / f"{revision}.bundle"
        self.built = build_bundle(self.folder, out, read_private_key(self.private), revision=revision, **options)
        return out

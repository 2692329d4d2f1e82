"""Prices in gate, evidence page and release: judged on simulated shelves of today's goods, beside the best simple rule."""

import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.challengers import absence
from orchestration.fresh_lake import NEEDED, REMEDY
from orchestration.latency import p99_ms
from orchestration.pricing import dataset
from orchestration.pricing_markets import judge_markets
from orchestration.pricing_settings import MODEL, pricing_config
from orchestration.promotion import Budgets, PricingBudgets
from orchestration.registry import RegisteredVersion
from orchestration.tenants import Contest, Example, Explanation
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    from data_checks.lake import Layer
    from models.common.artifact import Manifest
    from models.pricing.data import FreshGoods
    from models.pricing.fresh_rules import FreshPolicy

JUDGING_SEED = 104_729  # shelves and days that nothing was trained, tuned or reported on
LATENCY_RUNS, EXAMPLES = 200, 6


class PricingTenant:
    """`tenants.Tenant` of prices."""

    name = MODEL
    optional = True
    judging_code = ("orchestration/pricing_tenant.py", "orchestration/pricing_markets.py", "models/pricing")
    release_code = ("orchestration/pricing_tenant.py", "models/pricing", "serving/release.py")
    serving_code: tuple[str, ...] = ()
    judged_tables: "tuple[tuple[Layer, str], ...]" = (("features", "fresh_goods"),)
    shown_tables = judged_tables

    def absence(self, workspace: Workspace) -> str | None:
        """A source that does not tell prices, stock and shelf lives, or had nothing fresh at the last training."""
        return absence(workspace, MODEL) if workspace.source.tables >= NEEDED else REMEDY

    def budgets(self, workspace: Workspace) -> PricingBudgets:
        """`promotion.pricing`."""
        return Budgets(**workspace.settings.section("promotion")).pricing

    def config(self, workspace: Workspace) -> Mapping[str, Any]:
        """As `params.yaml` has it."""
        told: Mapping[str, Any] = pricing_config(workspace.settings).model_dump(mode="json")
        return told

    def contest(
        self, workspace: Workspace, challenger: RegisteredVersion, champion: RegisteredVersion | None
    ) -> Contest:
        """Gross margin given up a shelf and day: challenger, champion and the best simple rule meet the same customers.
        Markets told in a file stand beside, each judged by itself."""
        import numpy as np

        from models.pricing.fresh_evaluate import fresh_rules
        from models.pricing.fresh_judging import live_fresh
        from models.pricing.predict import load

        fresh, cfg = dataset(workspace).fresh, pricing_config(workspace.settings)
        if fresh is None:
            raise ValueError(f"there are no fresh goods to judge on: {REMEDY}")
        prices = np.array(cfg.fresh_prices)

        def lived(policy: "FreshPolicy") -> Any:
            return live_fresh(
                fresh.goods, prices, policy, shelves=cfg.fresh_shelves, days=cfg.fresh_days, seed=JUDGING_SEED
            )

        priced, budgets = load(challenger.folder), self.budgets(workspace)
        own = lived(priced.fresh.policy)
        rules = {name: lived(rule) for name, rule in fresh_rules(fresh.goods, cfg).items()}
        best = max(rules, key=lambda name: rules[name].gross_margin)
        loss, problem, rival = {"challenger": -own.gross, "baseline": -rules[best].gross}, None, None
        if champion is not None:
            try:
                rival = load(champion.folder)
                loss["champion"] = -lived(rival.fresh.policy).gross
            except ValueError as error:  # ArtifactError and InputError are such
                problem = str(error)
        markets = judge_markets(priced, rival, cfg, budgets, seed=JUDGING_SEED)
        # The same goods give the same network again, which is no better than itself: markets that come or go would never pass.
        moved = bool(markets.changes) and "champion" in loss
        told = "".join(f"Markets {each}. " for each in markets.changes)
        return Contest(
            window=None,
            trained_until={},
            loss=loss,
            measured={
                "latency_p99_ms": latency_p99_ms(challenger, fresh),
                "waste_ratio": own.waste / max(rules[best].waste, 1e-9),
            },
            unit="shelves",
            champion_problem=problem,
            judged=f"{told}Judged on {cfg.fresh_shelves:,} simulated shelves of {len(fresh.names):,} goods over {cfg.fresh_days} "
            "days, demand within the errors of what was fitted; the baseline is the best simple rule, each tuned on other days: "
            f"{best}",
            slack=budgets.margin_given_up_max * abs(float(loss["champion"].mean())) if moved else None,
            beside=markets.criteria,
        )

    def explanation(self, workspace: Workspace, version: RegisteredVersion) -> Explanation:
        """How far each variable moves the price, and some shelves of today."""
        from models.pricing.fresh_env import FreshShelves
        from models.pricing.fresh_reasons import moves
        from models.pricing.predict import load

        fresh = dataset(workspace).fresh
        title = "What moves its prices"
        note = (
            "Mean move of the price, in percent of list price, when one variable of a shelf is put to that of another shelf "
            "drawn by chance (permutation importance)."
        )
        if fresh is None:
            return Explanation(title, note, ())
        predictor = load(version.folder).fresh
        shelves = FreshShelves(
            fresh.goods, predictor.prices, 500, seed=JUDGING_SEED, waste_weight=predictor.spec.waste_weight
        )
        at = shelves.situation()
        examples = []
        for row in range(EXAMPLES):
            one = at.rows(_one(row))
            price = float(predictor.policy.choose(one)[0])
            stock = ", ".join(
                f"{units} with {left + 1} {'day' if left == 0 else 'days'} left"
                for left, units in enumerate(one.stock[0])
                if units
            )
            examples.append(
                Example(
                    known=f"{fresh.names[int(shelves.good[row])]}: {stock or 'nothing in stock'}; {one.mean[0, 0]:.1f} units "
                    f"expected today at list price, elasticity {one.elasticity[0]:.1f}, cost {one.cost[0]:.0%} of list price",
                    said=[f"asks {price:.0%} of list price"],
                    came="",
                )
            )
        return Explanation(title, note, moves(predictor.policy, at), examples)

    def limits(self, manifest: "Manifest") -> list[str]:
        """What it cannot know."""
        from models.pricing import predict
        from models.pricing.spec import FRESH

        markets = set(manifest.files) - {predict.MODEL, predict.GOODS, predict.WEIGHTS.format(FRESH)}
        told = (
            "Markets told in a file are judged on the demand that the file tells: customers who differ are not in it."
        )
        return [
            *([told] if markets else []),
            f"Demand and elasticities are fitted from what was sold until {manifest.trained_until}; where prices hardly moved, "
            "a product's elasticity is that of its category, and its error says so.",
            "It is judged on simulated shelves: what customers do beyond a price response with a constant elasticity is not in "
            "them. Substitutes across products are seen only through the demand forecast.",
            "Goods that it was not trained on are refused: a new product needs a first fit.",
            "Rules outside the network bound every price; where two cannot hold at once the order of precedence decides.",
        ]

    def release_inputs(self, workspace: Workspace) -> dict[str, Any]:
        """The goods of today."""
        return {"goods": workspace.lake.content_hash("features", "fresh_goods")}

    def release_facts(self, workspace: Workspace) -> dict[str, Any]:
        """How many goods."""
        version = workspace.lake.version("features", "fresh_goods")
        return {"goods": 0 if version is None else version.rows}

    def fill(self, workspace: Workspace, version: RegisteredVersion, folder: Path) -> None:
        """`artifact/` and `fallback/`, the approved ladders."""
        from models.pricing.ladder import write_ladders
        from models.pricing.ladder_tuning import approved_ladders
        from models.pricing.predict import load

        predictor = load(version.folder)
        shutil.copytree(version.folder, folder / "artifact")
        ladders = approved_ladders(predictor.spec, predictor.goods, pricing_config(workspace.settings))
        write_ladders(folder / "fallback", ladders)


def latency_p99_ms(version: RegisteredVersion, fresh: "FreshGoods") -> float:
    """p99 of one quote, one good after another."""
    import numpy as np

    from models.pricing.predict import FreshInput, load

    predictor = load(version.folder)
    known = [number for number, name in enumerate(fresh.names) if name in predictor.spec.fresh.goods]  # type: ignore[union-attr]
    if not known:
        raise ValueError("this version knows none of today's goods: train a challenger on the data at hand")
    asked = [
        FreshInput([fresh.names[number]], [2.0], [[int(fresh.goods.up_to[number])]], [2.0], [0])
        for number in np.resize(known, LATENCY_RUNS).tolist()
    ]
    return p99_ms(lambda: (partial(predictor.predict, each) for each in asked))


def _one(row: int) -> Any:
    import numpy as np

    return np.array([row])

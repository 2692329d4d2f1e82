"""The recommender in gate, evidence page and release: judged over customers by the item that each took last.

A customer's last item is unseen by a model that was trained on the very data at hand, which held it out, and by one whose
data ended before the item was taken. Whoever cannot be shown not to have seen it is not judged on it.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.absence import no_customers
from orchestration.challengers import absence
from orchestration.promotion import Budgets, RecommenderBudgets
from orchestration.recommender_customers import customer_batch, new_items
from orchestration.recommender_reasons import explained
from orchestration.recommender_scoring import latency_p99_ms, score_baseline, score_challenger, score_champion, unseen
from orchestration.recommending import MODEL, dataset, recommender_config
from orchestration.registry import RegisteredVersion
from orchestration.tenants import Contest, Explanation
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    from data_checks.lake import Layer
    from models.common.artifact import Manifest

JUDGED_MAX = 20_000  # customers, drawn by chance: more would hardly narrow the interval


class RecommenderTenant:
    """`tenants.Tenant` of the recommender."""

    name = MODEL
    optional = True
    judging_code = (
        *(f"orchestration/recommender_{part}.py" for part in ("tenant", "scoring", "reasons")),
        "models/recommender",
    )
    release_code = (
        *(f"orchestration/recommender_{part}.py" for part in ("tenant", "customers")),
        "models/recommender",
        "features/online_customers.py",
        "serving/release.py",
    )
    serving_code = ("features/online_customers.py",)
    judged_tables: "tuple[tuple[Layer, str], ...]" = (("features", "interactions"), ("features", "item_attributes"))
    shown_tables = judged_tables

    def absence(self, workspace: Workspace) -> str | None:
        """A source without customers, or with too few of them for the last training."""
        return no_customers(workspace) or absence(workspace, MODEL)

    def budgets(self, workspace: Workspace) -> RecommenderBudgets:
        """`promotion.recommender`."""
        return Budgets(**workspace.settings.section("promotion")).recommender

    def config(self, workspace: Workspace) -> Mapping[str, Any]:
        """As `params.yaml` has it."""
        told: Mapping[str, Any] = recommender_config(workspace).model_dump(mode="json")
        return told

    def contest(
        self, workspace: Workspace, challenger: RegisteredVersion, champion: RegisteredVersion | None
    ) -> Contest:
        """1 - NDCG@10 of the last item of every customer who took it unseen by the challenger."""
        import numpy as np

        from models.recommender.predict import load

        data, least = dataset(workspace), recommender_config(workspace).min_judged
        rows = np.flatnonzero(unseen(data, challenger))
        if rows.size < least:
            raise ValueError(
                f"{rows.size} customers took anything that version {challenger.version} did not see (its data end on "
                f"{challenger.trained_until}), at least {least} are needed: judge it after more days, or train a "
                "challenger on the data at hand"
            )
        rng = np.random.default_rng(workspace.settings.seed)
        rows = np.sort(rng.permutation(rows)[:JUDGED_MAX])
        predictor = load(challenger.folder)
        loss = {"challenger": score_challenger(predictor, data, rows), "baseline": score_baseline(data, rows)}
        problem, compared = None, 0
        if champion is not None:
            both = unseen(data, champion)[rows]
            compared = int(both.sum())
            rival, problem = score_champion(champion, data, rows[both], least=least)
            if rival is not None:
                loss["champion"] = np.full(rows.size, np.nan)
                loss["champion"][both] = rival
        days = data.test_days[rows]
        days = days[~np.isnat(days)]
        window = (days.min().item(), days.max().item()) if days.size else None
        judged = f"Judged on the item that each of {rows.size:,} customers took last, unseen by the challenger"
        judged += f" ({window[0]} to {window[1]})" if window else ""
        if compared and problem is None:
            judged += f"; the champion did not see those of {compared:,}, and on these the two are compared"
        return Contest(
            window=window,
            trained_until={},
            loss=loss,
            measured={"latency_p99_ms": latency_p99_ms(predictor, data)},
            unit="customers",
            champion_problem=problem,
            judged=judged,
        )

    def explanation(self, workspace: Workspace, version: RegisteredVersion) -> Explanation:
        """What its parts weigh, and some customers with what it recommends and why."""
        from models.recommender.predict import load

        names = workspace.lake.arrow("features", "item_attributes")
        return explained(load(version.folder), dataset(workspace), names)

    def limits(self, manifest: "Manifest") -> list[str]:
        """What it cannot know."""
        kinds = ", ".join(manifest.config["kinds"])  # type: ignore[arg-type]
        return [
            f"Trained on what customers took until {manifest.trained_until} (kinds: {kinds}); an item first taken later is "
            "not in it and can only come from the list of new items beside it.",
            "A customer of whom nothing is known gets what most customers took; of one with a long history the newest "
            f"{manifest.config['max_length']} items are read by the network.",
            "Judged by the one item that each customer took next: other items that would have pleased count as misses.",
            "It learnt from what customers took under the recommendations of their day; what was never shown looks unloved.",
        ]

    def release_inputs(self, workspace: Workspace) -> dict[str, Any]:
        """What customers took, for the popular items and the histories beside the artifact."""
        return {"interactions": workspace.lake.content_hash("features", "interactions")}

    def release_facts(self, workspace: Workspace) -> dict[str, Any]:
        """Rows of what customers took."""
        version = workspace.lake.version("features", "interactions")
        return {"interactions": 0 if version is None else version.rows}

    def fill(self, workspace: Workspace, version: RegisteredVersion, folder: Path) -> None:
        """`artifact/`, `fallback/` with popular and new items, `customers/` with what each took."""
        from features.online_customers import write_customers_snapshot
        from models.recommender.fallback import count_popular, write_popular

        data = dataset(workspace)
        batch = customer_batch(workspace, data)
        popular = count_popular(data.histories, data.items.tolist(), batch.texts["segment"], new=new_items(data))
        shutil.copytree(version.folder, folder / "artifact")
        write_popular(folder / "fallback", popular)
        write_customers_snapshot(folder / "customers", batch)

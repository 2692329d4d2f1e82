"""The forecaster in gate, evidence page and release: judged over series of the held-out window, released on today's state."""

import logging
import shutil
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.absence import no_sales
from orchestration.feature_tables import forecaster_config, plan, repository
from orchestration.forecasting import MODEL, dataset
from orchestration.promotion import Budgets
from orchestration.registry import RegisteredVersion
from orchestration.scoring import Scores, latency_p99_ms, request, score, score_baseline
from orchestration.tenants import Contest, Explanation
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    from data_checks.lake import Layer
    from features.online import StateBatch
    from models.common.artifact import Manifest
    from models.forecaster.data import Dataset, Panel

REASON_SERIES = 24


class ForecasterTenant:
    """`tenants.Tenant` of the forecaster."""

    name = MODEL
    optional = False
    judging_code = ("orchestration/forecaster_tenant.py", "orchestration/scoring.py", "models")
    release_code = ("models/forecaster", "features/online.py", "serving/release.py")
    serving_code = ("features/online.py",)
    judged_tables: "tuple[tuple[Layer, str], ...]" = (
        ("gold", "sales"),
        ("gold", "series"),
        ("features", "training_state"),
        ("features", "known_future"),
    )
    shown_tables: "tuple[tuple[Layer, str], ...]" = (
        ("gold", "sales"),
        ("gold", "series"),
        ("gold", "covariates"),
        ("features", "training_state"),
    )

    def absence(self, workspace: Workspace) -> str | None:
        """A source that tells no sales."""
        return no_sales(workspace)

    def budgets(self, workspace: Workspace) -> Budgets:
        """The section `promotion` itself."""
        return Budgets(**workspace.settings.section("promotion"))

    def config(self, workspace: Workspace) -> Mapping[str, Any]:
        """With the settings that it takes from the source."""
        told: Mapping[str, Any] = forecaster_config(workspace).model_dump(mode="json")
        return told

    def contest(
        self, workspace: Workspace, challenger: RegisteredVersion, champion: RegisteredVersion | None
    ) -> Contest:
        """Squared scaled errors of every series over the held-out window."""
        import numpy as np

        from models.forecaster.predict import load

        data = dataset(workspace)
        if data.test is None:
            raise ValueError("no held-out window: train with hold_out=true, or give a cutoff before the last period")
        test, predictor = data.test, load(challenger.folder)
        scores = score(predictor, data, test)
        by_period = {"challenger": scores.errors}
        loss = {"challenger": scores.per_series(), "baseline": score_baseline(data, test).per_series()}
        trained_until = {"challenger": date.fromisoformat(challenger.trained_until)}
        problem = None
        if champion is not None:
            rival, problem = _score_champion(champion, data, test)
            if rival is not None:
                trained_until["champion"] = date.fromisoformat(champion.trained_until)
                by_period["champion"], loss["champion"] = rival.errors, rival.per_series()
        known = np.logical_and.reduce([np.isfinite(values) for values in loss.values()])
        return Contest(
            window=_window(data),
            trained_until=trained_until,
            loss={name: values[known] for name, values in loss.items()},
            by_period={name: values[known] for name, values in by_period.items()},
            measured={"latency_p99_ms": latency_p99_ms(predictor, test), "coverage_80": scores.coverage_80},
            unit="series",
            champion_problem=problem,
        )

    def explanation(self, workspace: Workspace, version: RegisteredVersion) -> Explanation:
        """Mean absolute Shapley value of each feature group over a sample of the held-out series."""
        import numpy as np

        from models.forecaster.predict import load

        title = "What moves its forecasts"
        note = (
            "Mean absolute share of each group of inputs in the forecast of a sample of series (Shapley values against the "
            "median input)."
        )
        predictor, test = load(version.folder), dataset(workspace).test
        if test is None:
            return Explanation(title, note, ())
        sample = np.unique(np.linspace(0, len(test) - 1, min(len(test), REASON_SERIES)).astype(int))
        found = predictor.reasons(request(predictor, test.take(sample)), steps=[1, min(7, predictor.horizon)])
        shares = np.abs(found.values).mean(axis=(0, 1))
        weights = sorted(zip(found.groups, map(float, shares), strict=True), key=lambda pair: -pair[1])
        return Explanation(title, note, weights)

    def limits(self, manifest: "Manifest") -> list[str]:
        """Reach, inputs, and what teaches it nothing."""
        spec = manifest.input_schema
        known = ", ".join(sorted(spec["known_future"])) or "none"  # type: ignore[arg-type]
        return [
            f"Trained on periods up to {manifest.trained_until}; the confidence in each reply falls outside what it has seen.",
            f"Known ahead it uses: {known}. What is not known ahead (observed weather, social heat) it never sees.",
            "A series younger than the seasons it would need is forecast from the level and the calendar alone.",
            "Periods cut short by a stock-out teach it nothing and are not scored: true demand there is not observed.",
        ]

    def release_inputs(self, workspace: Workspace) -> dict[str, Any]:
        """Today's state and the period it speaks of."""
        versions = [workspace.lake.version("features", name) for name in ("sales_state", "known_future")]
        state = ["never written" if v is None else v.content_hash for v in versions]
        return {"state": state, "origin": plan(workspace).last}

    def release_facts(self, workspace: Workspace) -> dict[str, Any]:
        """The last period."""
        return {"origin": plan(workspace).last.isoformat()}

    def fill(self, workspace: Workspace, version: RegisteredVersion, folder: Path) -> None:
        """`artifact/`, `state/` of every series, `fallback/` with its newest forecast."""
        import numpy as np

        from features.online import StateBatch, write_snapshot
        from models.forecaster.fallback import LastGoodForecast, state_read, write_last_good
        from models.forecaster.predict import ForecastInput, load

        batch = newest_state(workspace, plan(workspace).last)
        predictor = load(version.folder)
        spec = predictor.spec
        reply = predictor.predict(
            ForecastInput(
                {name: batch.state[name] for name in spec.state_columns},
                {name: batch.known_future[name] for name in spec.covariates},
                batch.origin,
                steps=spec.horizon,
            )
        )
        values = np.stack([reply.mean, reply.q10, reply.q50, reply.q90], axis=2).astype(np.float32)
        units = (spec.unit,) * len(batch.series_ids)
        forecast = LastGoodForecast(batch.series_ids, units, batch.origin, values, spec.frequency)

        # Of hundreds of columns a service or an edge box holds those that its model and its fallback read.
        names = {*spec.state_columns, *state_read(spec.frequency)}
        held = StateBatch(
            batch.series_ids,
            batch.origin,
            {name: values for name, values in batch.state.items() if name in names},
            {name: batch.known_future[name] for name in spec.covariates},
        )
        shutil.copytree(version.folder, folder / "artifact")
        write_snapshot(folder / "state", held)
        write_last_good(folder / "fallback", forecast)


def newest_state(workspace: Workspace, last: date) -> "StateBatch":
    """State of every series that reaches the last period, read through Feast's online store."""
    import pyarrow.compute as pc

    from features.online import FeastState

    keys = workspace.lake.arrow("features", "sales_state", ["series_id", "origin"])
    series = sorted(keys.filter(pc.equal(keys["origin"], last))["series_id"].to_pylist())
    if not series:
        raise ValueError(
            f"no series has a state at the last period, {last}: nothing could be forecast; see whether the source's "
            "last day is whole, then run `storeloop run daily`"
        )
    batch = FeastState.open(repository(workspace).folder).read(series)
    if not batch.found.all():
        raise ValueError(
            f"{int((~batch.found).sum())} of {len(series)} series are not in the online store: materialise again"
        )
    return batch


def _score_champion(
    champion: RegisteredVersion, data: "Dataset", test: "Panel"
) -> "tuple[Scores, None] | tuple[None, str]":
    """The champion's losses, or why this code cannot take them."""
    from models.forecaster.predict import load

    try:
        return score(load(champion.folder), data, test), None
    except ValueError as error:  # ArtifactError and InputError are such
        logging.getLogger(__name__).warning("champion version %d cannot be scored: %s", champion.version, error)
        return None, str(error)


def _window(data: "Dataset") -> tuple[date, date]:
    import numpy as np

    start = data.split.test_start.astype("datetime64[D]")
    last = data.periods[min(data.test_period + data.horizon, data.periods.size) - 1]
    return np.datetime64(start).item(), last.astype("datetime64[D]").item()

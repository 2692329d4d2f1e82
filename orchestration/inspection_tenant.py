"""Visual inspection in gate, evidence page and release: judged on the newest packages, which neither model saw."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.belt import REMEDY, belt_source
from orchestration.challengers import absence
from orchestration.inspecting import MODEL, dataset, inspection_config
from orchestration.latency import p99_ms
from orchestration.promotion import Budgets, InspectionBudgets
from orchestration.registry import RegisteredVersion
from orchestration.tenants import Contest, Example, Explanation
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from data_checks.lake import Layer
    from models.common.artifact import Manifest
    from models.inspection.data import Dataset
    from models.inspection.predict import InspectionInput, Predictor

    Rows = npt.NDArray[np.int64]

LATENCY_RUNS, EXAMPLES, LEAST_JUDGED = 100, 8, 20


class InspectionTenant:
    """`tenants.Tenant` of visual inspection."""

    name = MODEL
    optional = True
    judging_code = ("orchestration/inspection_tenant.py", "orchestration/inspecting.py", "models/inspection")
    release_code = ("orchestration/inspection_tenant.py", "models/inspection", "serving/release.py")
    serving_code: tuple[str, ...] = ()
    judged_tables: "tuple[tuple[Layer, str], ...]" = (("clean", "inspections"), ("clean", "approved_samples"))
    shown_tables = judged_tables

    def absence(self, workspace: Workspace) -> str | None:
        """A workspace without a packing line."""
        return REMEDY if belt_source(workspace) is None else absence(workspace, MODEL)

    def budgets(self, workspace: Workspace) -> InspectionBudgets:
        """`promotion.inspection`."""
        return Budgets(**workspace.settings.section("promotion")).inspection

    def config(self, workspace: Workspace) -> Mapping[str, Any]:
        """As `params.yaml` has it."""
        told: Mapping[str, Any] = inspection_config(workspace.settings).model_dump(mode="json")
        return told

    def contest(
        self, workspace: Workspace, challenger: RegisteredVersion, champion: RegisteredVersion | None
    ) -> Contest:
        """Whether each of the newest packages is rightly passed or rejected, by the thresholds in use."""
        import numpy as np

        from models.inspection.predict import load

        data = dataset(workspace)
        rows = _unseen(data, challenger)
        kind = data.kind[rows]
        if len(rows) < LEAST_JUDGED or not kind.any() or kind.all():
            raise ValueError(
                f"{len(rows)} packages, {int((kind > 0).sum())} with a defect, were not seen by version {challenger.version}, "
                f"whose packages end on {challenger.trained_until}; at least {LEAST_JUDGED} of both sorts are needed: inspect more"
            )
        model = load(challenger.folder)
        decided, score = _decided(model, data, rows)
        loss = {"challenger": _wrong(decided, kind), "baseline": _wrong(_baseline(data, model, rows), kind)}
        problem = None
        if champion is not None:
            both = np.isin(rows, _unseen(data, champion))
            try:
                if not both.any():
                    raise ValueError(f"version {champion.version} saw all that is judged on: inspect more days")
                loss["champion"] = np.full(len(rows), np.nan)
                loss["champion"][both] = _wrong(_decided(load(champion.folder), data, rows[both])[0], kind[both])
            except ValueError as error:  # ArtifactError and InputError are such
                del loss["champion"]
                problem = str(error)
        days = data.packed_on[rows]
        return Contest(
            window=(days.min().item(), days.max().item()),
            trained_until={},
            loss=loss,
            measured={**_measured(model, data, decided, score, kind), "latency_p99_ms": latency_p99_ms(model, data)},
            unit="packages",
            champion_problem=problem,
            judged=f"Judged on {len(rows):,} packages, {int((kind > 0).sum()):,} with a defect, that it was neither trained nor "
            "calibrated on; a package that is sent to a human counts as wrong",
        )

    def explanation(self, workspace: Workspace, version: RegisteredVersion) -> Explanation:
        """By how much defects look less so when picture or a reading is put back as approved, and some packages."""
        import numpy as np

        from models.inspection.data import READINGS
        from models.inspection.explain import explain
        from models.inspection.predict import load

        data, model = dataset(workspace), load(version.folder)
        faulty = np.flatnonzero(data.kind[data.test_from :] > 0) + data.test_from
        rows = faulty[np.unique(np.linspace(0, len(faulty) - 1, EXAMPLES).astype(int))] if len(faulty) else faulty
        note = (
            "Mean fall of the log odds of a defect over some newest defects, when the part is put back as approved "
            "(occlusion, Zeiler and Fergus 2014)."
        )
        if not len(rows):
            return Explanation("What moves its decisions", note, ())
        asked = request_of(data, rows)
        reply, why = model.predict(asked), explain(model, asked)
        falls = np.column_stack([why.picture, why.readings])
        weights = dict(zip(("picture", *READINGS), falls.mean(axis=0).tolist(), strict=True))
        told = [
            Example(
                known=f"package of {data.packed_on[row]}: weight {data.off[row, 0]:+.1%}, seal {data.off[row, 1]:+.1f} kPa, "
                f"{data.off[row, 2]:+.1f} C off nominal",
                said=[f"{reply.decision[place]}: {reply.kind[place]}, probability of a defect {reply.probability[place]:.1%}; "
                      f"foremost reason {why.foremost[place]}"],
                came=data.kinds[data.kind[row]],
            )
            for place, row in enumerate(rows)
        ]  # fmt: skip
        largest = sorted(weights.items(), key=lambda pair: -pair[1])
        return Explanation("What moves its decisions", note, largest, told)

    def limits(self, manifest: "Manifest") -> list[str]:
        """What it cannot know."""
        return [
            f"Misses are bounded at {manifest.config['miss_level']:.2%} of defects for packages exchangeable with those that "
            f"thresholds were set on until {manifest.trained_until}: a new product, lamp or kind of defect is not.",
            "It compares with the approved sample of the batch: without one, or with one approved in other light, it cannot tell.",
            "Kinds of defect that nobody found before it was trained are told by their look alone and under another name.",
            "What it cannot tell goes to a human; where it is late or fails, everything does.",
        ]

    def release_inputs(self, workspace: Workspace) -> dict[str, Any]:
        """The approved samples."""
        return {"samples": workspace.lake.content_hash("clean", "approved_samples")}

    def release_facts(self, workspace: Workspace) -> dict[str, Any]:
        """How many batches."""
        version = workspace.lake.version("clean", "approved_samples")
        return {"batches": 0 if version is None else version.rows}

    def fill(self, workspace: Workspace, version: RegisteredVersion, folder: Path) -> None:
        """`artifact/`, and `samples/`, the approved samples of the newest batches."""
        from models.inspection.samples import samples_of, write_samples

        shutil.copytree(version.folder, folder / "artifact")
        write_samples(folder / "samples", samples_of(workspace.lake.arrow("clean", "approved_samples")))


def request_of(data: "Dataset", rows: "Rows") -> "InspectionInput":
    """What a service would be asked about some packages; nominal weight 1 where the tables tell only how far off it is."""
    import numpy as np

    from models.inspection.predict import InspectionInput

    nominal = np.zeros((len(data.approved), 3))
    nominal[:, 0] = 1.0
    readings = data.off[rows] + nominal[data.batch[rows]]
    return InspectionInput(data.pictures[rows], data.approved, data.batch[rows], readings, nominal)


def latency_p99_ms(model: "Predictor", data: "Dataset") -> float:
    """p99 of one package, one after another."""
    import numpy as np

    def of(number: int) -> "InspectionInput":
        asked, batch = request_of(data, np.array([number])), int(data.batch[number])
        return replace(
            asked, approved=asked.approved[batch][None], batch=np.array([0]), nominal=asked.nominal[batch][None]
        )

    some = np.resize(np.arange(len(data.kind)), LATENCY_RUNS).tolist()
    return p99_ms(lambda: (partial(model.predict, of(number)) for number in some))


def _unseen(data: "Dataset", version: RegisteredVersion) -> "Rows":
    """What a version held out of these very packages; of one trained on others, what was packed after the last day it saw."""
    import numpy as np

    from models.common.artifact import read_manifest

    manifest = read_manifest(version.folder)
    if manifest.data_fingerprint == data.fingerprint and manifest.config["test_share"] == data.config.test_share:
        return np.arange(data.test_from, len(data.kind))
    return np.flatnonzero(data.packed_on > np.datetime64(version.trained_until))


def _decided(
    model: "Predictor", data: "Dataset", rows: "Rows"
) -> "tuple[npt.NDArray[np.str_], npt.NDArray[np.float64]]":
    from models.inspection.predict import log_odds

    # The dataset's pictures lie on their approved ones already.
    score = log_odds(model.logits(data.pictures[rows], data.approved, data.batch[rows], data.off[rows]))
    return model.thresholds.decide(score), score


def _baseline(data: "Dataset", model: "Predictor", rows: "Rows") -> "npt.NDArray[np.str_]":
    """What logistic regression decides, its thresholds set on the packages that the model's were set on."""
    import numpy as np

    from models.inspection.conformal import calibrate
    from models.inspection.peers import LOGISTIC, peer_scores

    known = np.arange(data.calibrate_from, data.test_from)
    scores = peer_scores(data, model, np.concatenate([known, rows]))[LOGISTIC]
    thresholds = calibrate(
        scores[: len(known)],
        data.kind[known],
        miss_level=model.spec.miss_level,
        reject_level=model.spec.reject_level,
        by_kind=data.config.control == "kind",
    )
    return thresholds.decide(scores[len(known) :])


def _wrong(decided: "npt.NDArray[np.str_]", kind: "Rows") -> "npt.NDArray[np.float64]":
    """1 where a package is not passed though sound, or not rejected though faulty."""
    import numpy as np

    from models.inspection.conformal import PASS, REJECT

    return np.where(kind > 0, decided != REJECT, decided != PASS).astype(np.float64)


def _measured(
    model: "Predictor", data: "Dataset", decided: "npt.NDArray[np.str_]", score: "npt.NDArray[np.float64]", kind: "Rows"
) -> dict[str, float]:
    from models.inspection.conformal import HUMAN, PASS
    from models.inspection.resampling import auroc

    faulty, level = kind > 0, model.spec.miss_level
    set_on = int((data.kind[data.calibrate_from : data.test_from] > 0).sum())
    return {
        "auroc": auroc(score, faulty),
        "miss_rate": float((decided[faulty] == PASS).mean()),
        "miss_level": level,
        # Both the judged packages and those that the threshold was set on are drawn by chance.
        "miss_error": (level * (1 - level) * (1 / int(faulty.sum()) + 1 / max(1, set_on))) ** 0.5,
        "human_share": float((decided == HUMAN).mean()),
    }

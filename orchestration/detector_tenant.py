"""Product recognition in gate, evidence page and release: judged on the newest pictures, which neither model saw."""

import shutil
from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.camera_pictures import OFF, REMEDY, camera_spec, content_of
from orchestration.challengers import absence
from orchestration.detecting import MODEL, dataset, detector_config
from orchestration.detector_budgets import DetectorBudgets
from orchestration.latency import p99_ms
from orchestration.promotion import Budgets
from orchestration.registry import RegisteredVersion
from orchestration.tenants import Contest, Example, Explanation
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from data_checks.lake import Layer
    from models.common.artifact import Manifest
    from models.detector.data import Dataset
    from models.detector.enrolled import Enrolled
    from models.detector.looking import Look
    from models.detector.predict import Predictor

LATENCY_RUNS, EXAMPLES, LEAST_JUDGED = 20, 8, 20
SIZES = ((0.0, 32.0, "smaller than 32 pixels"), (32.0, 96.0, "32 to 96 pixels"), (96.0, 1e9, "larger than 96 pixels"))


class DetectorTenant:
    """`tenants.Tenant` of product recognition."""

    name = MODEL
    optional = True
    judging_code = ("orchestration/detector_tenant.py", "orchestration/detecting.py", "models/detector")
    release_code = ("orchestration/detector_tenant.py", "models/detector", "serving/release.py")
    serving_code: tuple[str, ...] = ()
    judged_tables: "tuple[tuple[Layer, str], ...]" = ()  # pictures are no tables of the lake: `config` tells their content
    shown_tables = judged_tables

    def absence(self, workspace: Workspace) -> str | None:
        """A workspace without pictures."""
        return REMEDY if camera_spec(workspace.settings) == OFF else absence(workspace, MODEL)

    def budgets(self, workspace: Workspace) -> DetectorBudgets:
        """`promotion.detector`."""
        return Budgets(**workspace.settings.section("promotion")).detector

    def config(self, workspace: Workspace) -> Mapping[str, Any]:
        """As `params.yaml` has it, and which pictures there are."""
        told: dict[str, Any] = detector_config(workspace.settings).model_dump(mode="json")
        return {**told, "pictures": content_of(workspace)}

    def contest(
        self, workspace: Workspace, challenger: RegisteredVersion, champion: RegisteredVersion | None
    ) -> Contest:
        """Whether each labelled item of the newest pictures is found and rightly named."""
        import numpy as np

        from models.detector.calibration import expected_calibration_error
        from models.detector.evaluate import names_of
        from models.detector.matching import precision_curves
        from models.detector.peers import HISTOGRAM, peer_names
        from models.detector.predict import load

        data = dataset(workspace)
        rows = _unseen(data, challenger)
        items = sum(int((~data.labelled[row].crowd).sum()) for row in rows)
        if items < LEAST_JUDGED:
            raise ValueError(
                f"{items} labelled items in {len(rows)} pictures were not seen by version {challenger.version}, whose pictures end on "
                f"{challenger.trained_until}; at least {LEAST_JUDGED} are needed: label more"
            )
        model = load(challenger.folder)
        looks = _looks(model, data, rows)
        said, confidence = names_of(model, data, looks)
        product = np.concatenate([look.product for look in looks])
        loss = {
            "challenger": _missed(looks, said),
            "baseline": _missed(looks, peer_names(model, data, looks)[HISTOGRAM]),
        }
        problem = None
        if champion is not None:
            try:
                loss["champion"] = _champion_loss(champion, data, rows)
            except ValueError as error:  # ArtifactError is one
                problem = str(error)
        found, boxes, crowd = zip(
            *((look.found, look.labelled.boxes, look.labelled.crowd) for look in looks), strict=True
        )
        days = _days(data, rows)
        return Contest(
            window=None if days is None else (min(days), max(days)),
            trained_until={},
            loss=loss,
            measured={
                "map50": precision_curves(found, boxes, crowd, (0.5,))[0.5].area,
                "right_names": float((said == product).mean()) if len(product) else 0.0,
                "calibration_error": expected_calibration_error(confidence, said == product),
                "latency_p99_ms": latency_p99_ms(model, data, rows),
            },
            unit="items",
            champion_problem=problem,
            judged=f"Judged on {items:,} labelled items of {len(rows)} pictures that it was neither fitted nor calibrated on; an item "
            "that is missed, wrongly named or called unknown counts as wrong",
        )

    def explanation(self, workspace: Workspace, version: RegisteredVersion) -> Explanation:
        """How often items are rightly named by how large they are seen, and some items."""
        import numpy as np

        from models.detector.evaluate import names_of
        from models.detector.predict import load

        data, model = dataset(workspace), load(version.folder)
        looks = _looks(model, data, _unseen(data, version))
        said, confidence = names_of(model, data, looks)
        wrong = _missed(looks, said)
        boxes = np.concatenate([look.labelled.boxes[~look.labelled.crowd] for look in looks])
        longer = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
        weights = [
            (f"longer side {name}, {int(here.sum())} items", float(1 - wrong[here].mean()))
            for low, high, name in SIZES
            if (here := (longer >= low) & (longer < high)).any()
        ]
        told, at = [], 0
        for look in looks:
            for hit in look.hits:
                box = look.found.boxes[hit]
                name = data.products[said[at]] if said[at] >= 0 else "unknown"
                told.append(
                    Example(
                        known=f"an item of {box[2] - box[0]:.0f} x {box[3] - box[1]:.0f} pixels in picture {look.row}",
                        said=[f"{name}, confidence {confidence[at]:.1%}; an item at all {look.found.scores[hit]:.1%}"],
                        came=data.products[look.labelled.product[look.matched.label[hit]]],
                    )
                )
                at += 1
        chosen = (
            [told[place] for place in np.unique(np.linspace(0, len(told) - 1, EXAMPLES).astype(int))] if told else []
        )
        note = "Share of labelled items that are found and rightly named, by the size at which a picture shows them."
        return Explanation("How small an item may be", note, sorted(weights, key=lambda pair: -pair[1]), chosen)

    def limits(self, manifest: "Manifest") -> list[str]:
        """What it cannot know."""
        return [
            "A product without photos in the gallery is unknown to it, or taken for the likest one: enrol it from five photos.",
            f"Confidence was set on pictures until {manifest.trained_until}; in other light, by other cameras or on other shelves it "
            "may be off.",
            "It names what it sees: the same package with other contents, or two products of one look, it cannot tell apart.",
            "Items of which less than a quarter is seen were not learned as items.",
            "Where it is late or fails nothing is claimed: a person is asked.",
        ]

    def release_inputs(self, workspace: Workspace) -> dict[str, Any]:
        """What people enrolled into the release that answers now, which the next one keeps."""
        from models.detector.enrolled import fingerprint_of

        return {"enrolled": fingerprint_of(_enrolled(workspace, photos=False))}

    def release_facts(self, workspace: Workspace) -> dict[str, Any]:
        """How many photos were enrolled."""
        return {"enrolled photos": len(_enrolled(workspace, photos=False).index.photos)}

    def fill(self, workspace: Workspace, version: RegisteredVersion, folder: Path) -> None:
        """`artifact/`, and `enrolled/`, what people enrolled before, seen by this version's embedder."""
        from models.detector.enrolled import FOLDER, embedded_again, write_enrolled
        from models.detector.predict import load

        shutil.copytree(version.folder, folder / "artifact")
        enrolled = _enrolled(workspace, photos=True)
        if enrolled.index.changes:
            write_enrolled(folder / FOLDER, embedded_again(enrolled, load(version.folder)))


def latency_p99_ms(model: "Predictor", data: "Dataset", rows: "Sequence[int]") -> float:
    """p99 of one picture, one after another."""
    import numpy as np

    from models.detector.predict import DetectorInput

    some = np.resize(rows, LATENCY_RUNS).tolist()
    return p99_ms(lambda: (partial(model.predict, DetectorInput([data.pixels(row)])) for row in some))


def _enrolled(workspace: Workspace, *, photos: bool) -> "Enrolled":
    from models.detector.enrolled import FOLDER, Enrolled, read_enrolled
    from serving.release import POINTER_FILE, ReleaseError, read_pointer

    root = workspace.releases / MODEL
    try:
        release = root / read_pointer(root / POINTER_FILE).release
    except ReleaseError:  # nothing was released yet
        return Enrolled()
    return read_enrolled(release / FOLDER, photos=photos)


def _unseen(data: "Dataset", version: RegisteredVersion) -> "list[int]":
    """What a version held out of these very pictures; of one fitted to others, what was taken after the last day it saw."""
    from models.common.artifact import read_manifest
    from models.detector.data import TEST

    held = [int(row) for row in data.scenes(TEST)]
    if read_manifest(version.folder).data_fingerprint == data.fingerprint:
        return held
    until = date.fromisoformat(version.trained_until)
    return [row for row in held if (at := data.taken_at[row]) is not None and at.date() > until]


def _champion_loss(champion: RegisteredVersion, data: "Dataset", rows: "list[int]") -> "npt.NDArray[np.float64]":
    """Loss of each item; NaN in pictures that the champion may have seen. ValueError where those are all."""
    import numpy as np

    from models.detector.evaluate import names_of
    from models.detector.predict import load

    fair = set(_unseen(data, champion))
    if not fair & set(rows):
        raise ValueError(f"version {champion.version} saw all that is judged on: label newer pictures")
    model, parts = load(champion.folder), []
    for row in rows:
        items = int((~data.labelled[row].crowd).sum())
        if row not in fair:
            parts.append(np.full(items, np.nan))
            continue
        looks = _looks(model, data, [row])
        parts.append(_missed(looks, names_of(model, data, looks)[0]))
    return np.concatenate(parts)


def _looks(model: "Predictor", data: "Dataset", rows: "list[int]") -> "tuple[Look, ...]":
    import numpy as np

    from models.detector.looking import look_at

    return look_at(model, data, np.array(rows, dtype=np.int64), iou=data.config.match_iou)


def _missed(looks: "Sequence[Look]", said: "npt.NDArray[np.int64]") -> "npt.NDArray[np.float64]":
    """1 for each labelled item that is not found, or whose name, one of `said` for each hit of the looks, is another."""
    import numpy as np

    parts, at = [], 0
    for look in looks:
        wrong = np.ones(len(look.labelled.boxes))
        hits = look.matched.label[look.hits]
        wrong[hits] = said[at : at + len(hits)] != look.labelled.product[hits]
        at += len(hits)
        parts.append(wrong[~look.labelled.crowd])
    return np.concatenate(parts)


def _days(data: "Dataset", rows: "list[int]") -> list[date] | None:
    """Days on which pictures were taken; None where one does not say."""
    times = [data.taken_at[row] for row in rows]
    return [at.date() for at in times if at is not None] if all(times) else None

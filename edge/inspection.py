"""Visual inspection beside the belt: the cloud's network, thresholds and approved samples; a human where the model fails."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from edge.bots import Answer, SelfTestError, SelfTestReport
from models.common.artifact import ArtifactError
from models.common.pictures import PictureError
from models.common.protocols import InputError
from models.inspection.data import READINGS, Floats, assemble
from models.inspection.packages import Package, Readings, decoded
from models.inspection.predict import GRAPH, InspectionInput, Predictor, load
from models.inspection.samples import ApprovedSamples, SamplesError, read_samples

PRECISE = (GRAPH,)  # thresholds hold for the scores they were set on, and 150 kB need no shrinking
HUMAN = "human"
SELF_TEST_PACKAGES, SEED = 16, 7
PATCH = 4  # of a side, the part of a made-up package that looks otherwise
TOLERANCE = 1e-3  # of a logit, or of the number itself where it is above 1: sums of some thousand float32


@dataclass(frozen=True)
class Question:
    """One checked package."""

    package_id: str
    asked: InspectionInput


def open_bot(folder: Path) -> "InspectionBot":
    """Open the release in `folder`; ArtifactError when a part of it is not whole."""
    try:
        return InspectionBot(load(folder / "artifact"), read_samples(folder / "samples"))
    except SamplesError as error:
        raise ArtifactError(str(error)) from error


class InspectionBot:
    """`edge.bots.EdgeBot` of a packing line."""

    def __init__(self, predictor: Predictor, samples: ApprovedSamples) -> None:
        if not samples.batch_ids or samples.pictures.shape[1] != predictor.spec.side_px:
            raise ArtifactError(
                f"{len(samples.batch_ids)} approved samples of {samples.pictures.shape[1]} pixels a side, the network reads "
                f"{predictor.spec.side_px}: build the release again"
            )
        self._predictor, self._samples = predictor, samples

    def check(self, request: Mapping[str, Any]) -> Question:
        """A package (`models.inspection.packages.Package`) with a picture that can be read; InputError otherwise."""
        try:
            told = Package.model_validate(dict(request))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "request"
            raise InputError(f"{where}: {first['msg']} (given: {str(first['input'])[:80]})") from error
        picture = self._picture("picture", told.picture)
        if told.approved is not None:
            approved, nominal = self._picture("approved.picture", told.approved.picture), _readings(told.approved)
        elif (row := self._samples.places.get(str(told.batch_id))) is not None:
            approved, nominal = self._samples.pictures[row][None], self._samples.nominal[row][None]
        else:
            raise InputError(
                f"batch_id: {told.batch_id!r} is none of the {len(self._samples.batch_ids)} batches on this box: send its "
                "`approved` sample, or install a newer bundle"
            )
        asked = InspectionInput(picture, approved, np.zeros(1, np.int64), _readings(told), nominal)
        return Question(told.package_id, asked)

    def ask(self, request: Question) -> Answer:
        """The model's decision; unsure where sensors tell what training never saw."""
        reply = self._predictor.predict(request.asked)
        if not np.isfinite(reply.score).all() or not np.isfinite(reply.kinds).all():
            raise ArithmeticError("a score is no number")
        return Answer(
            {
                "package_id": request.package_id,
                "decision": str(reply.decision[0]),
                "probability": float(reply.probability[0]),
                "kind": str(reply.kind[0]),
                "miss_level": self._predictor.spec.miss_level,
            },
            self._predictor.within_range(request.asked),
        )

    def fall_back(self, request: Question) -> Answer:
        """A human looks."""
        nothing = {"decision": HUMAN, "probability": None, "kind": None, "miss_level": None}
        return Answer({"package_id": request.package_id, **nothing}, 0.0)

    def model_inputs(self) -> dict[str, dict[str, npt.NDArray[np.float32]]]:
        """Made-up packages of the approved samples: as approved, a part taken from another place, readings off."""
        pictures, batch, off = self._made_up()
        return {GRAPH: assemble(pictures, self._samples.pictures[batch], off, np.array(self._predictor.spec.spread))}

    def expected(self) -> bytes:
        """Logits (N, K) of those (safetensors)."""
        from safetensors.numpy import save

        return bytes(save({"logits": self._logits()}))

    def self_test(self, expected: bytes) -> SelfTestReport:
        """The same logits on this box, compared number by number."""
        from safetensors import SafetensorError
        from safetensors.numpy import load as load_tensors

        try:
            wanted = load_tensors(expected)["logits"]
        except (SafetensorError, KeyError) as error:
            raise SelfTestError(
                f"the self-test of this bundle cannot be read ({error}): build the bundle again"
            ) from error
        found = self._logits()
        if wanted.shape != found.shape:
            raise SelfTestError(f"logits {found.shape}, expected {wanted.shape}: build the bundle again")
        off = np.abs(found - wanted) / np.maximum(np.abs(wanted), 1.0)
        worst = float(off.max())
        if not worst <= TOLERANCE:
            row, kind = np.unravel_index(int(np.nan_to_num(off, nan=np.inf).argmax()), off.shape)
            raise SelfTestError(
                f"package {row}, {self._predictor.spec.kinds[kind]}: expected {wanted[row, kind]:.6g}, found "
                f"{found[row, kind]:.6g} (off by {worst:.1e} > {TOLERANCE}): this machine computes otherwise; keep the old bundle"
            )
        return SelfTestReport(found.size, 0, worst)

    def card(self) -> dict[str, Any]:
        """What it tells apart, how surely, and for which batches."""
        spec = self._predictor.spec
        return {
            "kinds": list(spec.kinds),
            "side_px": spec.side_px,
            "miss_level": spec.miss_level,
            "batches": len(self._samples.batch_ids),
            "newest_batch": self._samples.batch_ids[-1],
        }

    def _picture(self, field: str, text: str) -> npt.NDArray[np.uint8]:
        try:
            return decoded(text, self._predictor.spec.side_px)[None]
        except PictureError as error:
            raise InputError(f"{field}: {error}") from error

    def _logits(self) -> Floats:
        pictures, batch, off = self._made_up()
        return self._predictor.logits(pictures, self._samples.pictures, batch, off)

    def _made_up(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], Floats]:
        """Pictures (N, S, S, 3), their batches (N,) and readings off nominal (N, 3)."""
        rng, side = np.random.default_rng(SEED), self._predictor.spec.side_px
        batch = np.linspace(0, len(self._samples.batch_ids) - 1, SELF_TEST_PACKAGES).astype(np.int64)
        pictures, part = self._samples.pictures[batch].copy(), side // PATCH
        for row in range(1, SELF_TEST_PACKAGES, 2):
            (down, across), (from_down, from_across) = rng.integers(0, side - part, (2, 2))
            taken = pictures[row, from_down : from_down + part, from_across : from_across + part].copy()
            pictures[row, down : down + part, across : across + part] = taken
        spread = np.array(self._predictor.spec.spread)
        return pictures, batch, np.where(rng.random((len(batch), 3)) < 0.3, 6.0, 0.5) * spread


def _readings(told: Readings) -> Floats:
    return np.array([[getattr(told, name) for name in READINGS]])

"""The networks of a camera in 8 bits: calibrated on some pictures of the shop, judged on others, the fastest that loses too little.

The detector has a second try with its activations in fp32; a detector or embedder that loses too much in 8 bits is refused.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from edge.export import ExportError, FileReport, parity, rewrite
from edge.eyes.agreement import Agreement, agreement
from edge.eyes.bot import EyesBot, open_bot
from edge.eyes.frames import FolderSource
from edge.int8 import BACKBONE, CONVOLUTIONS, WHOLE, Feeds, Scheme
from edge.int8 import quantise as in_8_bits
from edge.session import open_session
from models.common.artifact import read_artifact, read_file
from models.common.pictures import Pixels
from models.detector.boxes import IMAGENET_MEAN, IMAGENET_STD, crop, letterbox, to_tensor
from models.detector.spec import DETECTOR, EMBEDDER

Score = Callable[[EyesBot], float]  # of networks on labelled pictures, such as mAP50-95: more is better
CROPS_A_PICTURE = 16


class QuantiseConfig(BaseModel):
    """What 8 bits are calibrated on, and what they may cost."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pictures: int = Field(default=64, ge=2, le=1_024, description="pictures used at most, evenly from those given")
    least_crops: int = Field(default=16, ge=1, le=100_000, description="items found in them, for the embedder")
    most_lost: float = Field(default=0.01, ge=0, le=1, description="of the score, where one is given")
    least_found: float = Field(default=0.98, ge=0, le=1, description="share of items found in 8 bits, too")
    most_extra: float = Field(default=0.02, ge=0, le=1, description="share of items found in 8 bits alone")
    least_overlap: float = Field(default=0.9, ge=0, le=1, description="mean overlap of their boxes")
    least_same: float = Field(default=0.99, ge=0, le=1, description="share of items named alike")


def read_pictures(folder: Path, most: int) -> list[Pixels]:
    """Up to `most` pictures of a folder, evenly chosen; ExportError for fewer than two."""
    if not folder.is_dir():
        raise ExportError(
            f"{folder} is no folder: networks of a camera are brought to 8 bits on pictures of what it sees, give --pictures FOLDER"
        )
    source = FolderSource(folder, folder.name, by_name=True)
    count = sum(1 for _ in folder.iterdir())
    step = max(count // most, 1)
    found = [frame.image for number, frame in enumerate(source.frames()) if number % step == 0][:most]
    if len(found) < 2:
        raise ExportError(
            f"{folder} holds {len(found)} pictures that can be read ({source.counts.broken} that cannot): give some dozens"
        )
    return found


def quantise(release: Path, out: Path, pictures: Path, score: Score | None = None) -> tuple[FileReport, ...]:
    """`quantise_eyes` on the pictures of a folder."""
    config = QuantiseConfig()
    return quantise_eyes(release, out, read_pictures(pictures, config.pictures), score=score, config=config)


def quantise_eyes(
    release: Path,
    out: Path,
    pictures: Sequence[Pixels],
    *,
    score: Score | None = None,
    config: QuantiseConfig | None = None,
) -> tuple[FileReport, ...]:
    """Write the artifact of `release` to `out` with both graphs in 8 bits: calibrated on every second picture, judged on the others.

    ExportError when they lose more than `config` lets them, of `score` where there is one, else by their agreement with fp32.
    """
    config = config or QuantiseConfig()
    artifact, before = release / "artifact", open_bot(release)
    manifest = read_artifact(artifact)
    graphs = {name: read_file(artifact, manifest, name) for name in (DETECTOR, EMBEDDER)}
    inputs = calibration_inputs(before, pictures[::2], config.least_crops)
    judge = _Judge(before, pictures[1::2], score, config)
    reports, chosen = [], dict(graphs)
    for name, schemes in ((DETECTOR, (WHOLE, CONVOLUTIONS)), (EMBEDDER, (BACKBONE,))):
        report, chosen[name] = _fastest(name, graphs, chosen, inputs[name], schemes, judge)
        reports.append(report)
    kept = {name: read_file(artifact, manifest, name) for name in manifest.files if name not in graphs}
    rewrite(manifest, out, kept | chosen)
    return tuple(reports)


def calibration_inputs(bot: EyesBot, pictures: Sequence[Pixels], least_crops: int) -> Mapping[str, list[Feeds]]:
    """Inputs of both graphs for the pictures: each as the detector sees it, and the items that it finds as the embedder does."""
    spec, names = bot.spec, bot.input_names
    squares = [letterbox(each, spec.detector.side)[0] for each in pictures]
    crops: list[list[Pixels]] = []
    for picture in pictures:
        boxes = bot.detector.detect(picture).boxes[:CROPS_A_PICTURE]
        crops.append([crop(picture, box, spec.namer.side, margin=spec.namer.margin) for box in boxes])
    if (found := sum(map(len, crops))) < least_crops:
        raise ExportError(
            f"{found} items found in {len(pictures)} pictures, {least_crops} are the least to calibrate on: give more, with goods"
        )
    return {
        DETECTOR: [{names[DETECTOR]: to_tensor([square])} for square in squares],
        EMBEDDER: [{names[EMBEDDER]: to_tensor(some, IMAGENET_MEAN, IMAGENET_STD)} for some in crops if some],
    }


class _Judge:
    """Says why a candidate may not take the place of the networks in fp32; "" for one that may."""

    def __init__(
        self, before: EyesBot, pictures: Sequence[Pixels], score: Score | None, config: QuantiseConfig
    ) -> None:
        self._before, self._pictures, self._score, self._config = before, pictures, score, config
        self._best = score(before) if score is not None else 0.0

    def __call__(self, graphs: Mapping[str, bytes]) -> tuple[str, dict[str, float]]:
        """What is wrong with the networks of these graphs, and all that was measured of them."""
        before = self._before
        sessions = [open_session(graphs[name]) for name in (DETECTOR, EMBEDDER)]
        candidate = EyesBot(before.spec, sessions[0], sessions[1], before.namer.gallery)
        agreed = agreement(before, candidate, self._pictures)
        measured = {name: float(value) for name, value in asdict(agreed).items()}
        if self._score is None:
            return _disagreement(agreed, self._config), measured
        found = self._score(candidate)
        measured |= {"score_before": self._best, "score": found}
        lost = self._best - found
        if lost <= self._config.most_lost:
            return "", measured
        return f"score {found:.4f} after {self._best:.4f}, {self._config.most_lost} is the most to lose", measured


def _disagreement(agreed: Agreement, config: QuantiseConfig) -> str:
    if not agreed.items:
        return "no item found in the pictures that judge: give some of shelves with goods"
    bounds = (
        ("of the items found", agreed.found >= config.least_found, agreed.found, config.least_found),
        ("of what is found is new", agreed.extra <= config.most_extra, agreed.extra, config.most_extra),
        ("mean overlap", agreed.overlap >= config.least_overlap, agreed.overlap, config.least_overlap),
        ("named alike", agreed.same_names >= config.least_same, agreed.same_names, config.least_same),
    )
    return "; ".join(f"{value:.1%} {what}, {bound:.0%} is the bound" for what, well, value, bound in bounds if not well)


def _fastest(
    name: str,
    graphs: Mapping[str, bytes],
    chosen: Mapping[str, bytes],
    inputs: Sequence[Feeds],
    schemes: Sequence[Scheme],
    judge: _Judge,
) -> tuple[FileReport, bytes]:
    """The first of the schemes that loses too little, beside what is chosen already."""
    before, problems = graphs[name], []
    for scheme in schemes:
        made = in_8_bits(before, inputs, scheme)
        if not made.nodes:
            return _report(
                name, before, before, 0, f"no convolution to bring to 8 bits ({scheme.what})", inputs, {}
            ), before
        problem, measured = judge({**chosen, name: made.model})
        if problem:
            problems.append(f"{scheme.what}: {problem}")
            continue
        after, reason = made.model, f"8 bits, {scheme.what}, calibrated on {len(inputs)} inputs"
        return _report(name, before, after, made.nodes, reason, inputs, measured), after
    raise ExportError(f"{name} loses too much in 8 bits ({'; '.join(problems)}): export with precision fp32")


def _report(
    name: str, before: bytes, after: bytes, nodes: int, reason: str, inputs: Sequence[Feeds], measured: dict[str, float]
) -> FileReport:
    return FileReport(
        file=name,
        precision="int8" if nodes else "fp32",
        reason=reason,
        bytes_before=len(before),
        bytes_after=len(after),
        quantised_nodes=nodes,
        parity=parity(before, after, inputs[0]),
        measured=measured,
    )

"""From a release to what an edge box runs: ONNX as the artifact carries it, or with int8 weights, parity measured.

Dynamic quantisation touches matrix products, convolutions and tables that are looked up; a graph of trees has none and stays
as it is. A bot whose graphs want real inputs to learn their ranges from brings a quantisation of its own (`edge.bots.quantised`).
"""

import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, JsonValue, RootModel

from edge.bots import convert, left_out, moved, open_bot, precise, quantised
from edge.bundle import BundleManifest, build
from edge.int8 import Feeds
from edge.runtime import SELF_TEST_FILE
from edge.session import open_session
from models.common.artifact import Manifest, read_artifact, read_file, write_artifact

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Precision = Literal["fp32", "int8"]
QUANTISABLE = ("MatMul", "Gemm", "Conv")
PICTURES = "pictures"  # folder of a release: what its networks will see, for their ranges; see `LEFT_OUT` of the bot
INT8_TOLERANCE = 0.02  # of an output's range: what 8 bits of weight cost a healthy graph, with room
_FLOOR = 1e-6


class ExportError(RuntimeError):
    """A graph that may not go to the edge; the message names file, output, found, bound and remedy."""


class OutputParity(BaseModel):
    """How far one output of an exported graph is from the artifact's, over all sampled inputs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    output: str
    values: int
    worst_absolute: float
    worst_relative: float
    worst_of_range: float


class FileReport(BaseModel):
    """What became of one ONNX file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    precision: Precision
    reason: str
    bytes_before: int
    bytes_after: int
    quantised_nodes: int
    parity: tuple[OutputParity, ...]
    measured: dict[str, float] = Field(default_factory=dict, description="what else was measured of it, by name")


def build_bundle(
    release: Path,
    out: Path,
    key: "Ed25519PrivateKey",
    *,
    revision: int,
    precision: Precision = "fp32",
    pictures: Path | None = None,
    score: Callable[[Any], float] | None = None,
) -> tuple[BundleManifest, tuple[FileReport, ...]]:
    """Sign the release folder into the bundle `out`, with answers of its own model that every box is tested against.

    ExportError when int8 weights move an output by more than `INT8_TOLERANCE` of its range, or an answer that may not move. A
    camera's networks are calibrated on a folder of `pictures`, by default the release's own, and judged by `score` where given.
    """
    with tempfile.TemporaryDirectory(prefix="edge-build-") as scratch:
        staged = Path(scratch) / "release"
        bot = read_artifact(release / "artifact").name
        shutil.copytree(release, staged, symlinks=True)  # a link stays a link, and is refused below
        for folder in left_out(bot):
            shutil.rmtree(staged / folder, ignore_errors=True)
        if convert(bot, staged / "artifact", Path(scratch) / "converted"):
            _replace(staged / "artifact", Path(scratch) / "converted")
        released = open_bot(bot, staged)
        exported = Path(scratch) / "exported"
        calibrated = quantised(bot) if precision == "int8" else None
        if calibrated is not None:
            reports = calibrated(staged, exported, pictures or release / PICTURES, score)
        else:
            inputs = released.model_inputs()
            reports = export_artifact(staged / "artifact", exported, inputs, precision=precision, kept=precise(bot))
        _replace(staged / "artifact", exported)
        ready = open_bot(bot, staged)
        if precision == "int8" and (problem := moved(bot, released, ready)):
            raise ExportError(f"{problem}: export with precision fp32")
        (staged / SELF_TEST_FILE).write_bytes(ready.expected())
        # The very model that was promoted goes by its name, in whichever format it travels.
        artifact_id = read_artifact((release if precision == "fp32" else staged) / "artifact").artifact_id
        return build(staged, out, key, bot=bot, revision=revision, artifact_id=artifact_id), reports


def export_artifact(
    artifact: Path,
    out: Path,
    feeds: Mapping[str, Feeds],
    *,
    precision: Precision,
    tolerance: float = INT8_TOLERANCE,
    kept: frozenset[str] = frozenset(),
) -> tuple[FileReport, ...]:
    """Write the artifact to `out` with its ONNX files in `precision`; `feeds`: inputs to compare by, a set a file.

    fp32 gives the very same artifact. A file that int8 does not make smaller, or that is `kept`, stays as it is and says why.
    """
    manifest = read_artifact(artifact)
    files = {name: read_file(artifact, manifest, name) for name in manifest.files}
    reports = []
    for name in sorted(files):
        if not name.endswith(".onnx"):
            continue
        if name not in feeds:
            raise ExportError(f"{name}: no inputs to compare by were given for it: give some in `feeds`")
        before = files[name]
        chosen: Precision = "fp32" if name in kept else precision
        report, files[name] = _export_file(name, before, feeds[name], chosen, tolerance)
        reports.append(report)
    if all(report.precision == "fp32" for report in reports):
        shutil.copytree(artifact, out)
    else:
        rewrite(manifest, out, files)
    return tuple(reports)


def rewrite(manifest: Manifest, out: Path, files: Mapping[str, bytes | Path]) -> None:
    """Write an artifact that says of itself what `manifest` does, with other files."""
    write_artifact(
        out,
        name=manifest.name,
        config=RootModel[dict[str, JsonValue]](manifest.config),
        files=files,
        metrics=manifest.metrics,
        input_schema=manifest.input_schema,
        output_schema=manifest.output_schema,
        data_fingerprint=manifest.data_fingerprint,
        code_revision=manifest.code_revision,
        trained_until=manifest.trained_until,
        seed=manifest.seed,
        libraries=tuple(name for name in manifest.libraries if name != "python"),
    )


def parity(reference: bytes, candidate: bytes, feeds: Feeds) -> tuple[OutputParity, ...]:
    """Both graphs on the same inputs, every output compared; NaN must meet NaN."""
    first, second = open_session(reference), open_session(candidate)
    names = [output.name for output in first.get_outputs()]
    compared = []
    for name, expected, found in zip(names, first.run(names, dict(feeds)), second.run(names, dict(feeds)), strict=True):
        wanted, got = np.asarray(expected, dtype=np.float64), np.asarray(found, dtype=np.float64)
        if wanted.shape != got.shape or (np.isnan(wanted) != np.isnan(got)).any():
            raise ExportError(
                f"output {name!r}: shape or missing values differ from the artifact's: do not export this graph"
            )
        off = np.nan_to_num(np.abs(got - wanted))
        known = wanted[~np.isnan(wanted)]
        span = float(known.max() - known.min()) if known.size else 0.0
        compared.append(
            OutputParity(
                output=name,
                values=wanted.size,
                worst_absolute=float(off.max(initial=0.0)),
                worst_relative=float((off / np.maximum(np.abs(np.nan_to_num(wanted)), _FLOOR)).max(initial=0.0)),
                worst_of_range=float(off.max(initial=0.0)) / max(span, _FLOOR),
            )
        )
    return tuple(compared)


def _replace(artifact: Path, by: Path) -> None:
    shutil.rmtree(artifact)
    by.rename(artifact)


def _export_file(
    name: str, before: bytes, feeds: Feeds, precision: Precision, tolerance: float
) -> tuple[FileReport, bytes]:
    after, nodes, reason = before, 0, "as the artifact carries it"
    if precision == "int8":
        nodes = _quantisable_nodes(before)
        quantised = _quantise(before) if nodes else before
        if not nodes:
            reason = f"no {', '.join(QUANTISABLE)} in it: 8-bit weights would buy nothing"
        elif len(quantised) >= len(before):
            nodes, reason = 0, f"8-bit weights would make it larger ({len(quantised)} bytes)"
        else:
            after, reason = quantised, "weights of 8 bits"
    compared = parity(before, after, feeds)
    for output in compared:
        if not output.worst_of_range <= tolerance:
            raise ExportError(
                f"{name}, output {output.output!r}: {output.worst_of_range:.1%} of its range off, "
                f"{tolerance:.1%} is the bound: export with precision fp32"
            )
    report = FileReport(
        file=name,
        precision="int8" if after is not before else "fp32",
        reason=reason,
        bytes_before=len(before),
        bytes_after=len(after),
        quantised_nodes=nodes,
        parity=compared,
    )
    return report, after


def _quantisable_nodes(model: bytes) -> int:
    import onnx

    return sum(node.op_type in QUANTISABLE for node in onnx.load_model_from_string(model).graph.node)


def _quantise(model: bytes) -> bytes:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory(prefix="edge-int8-") as scratch:
        out = Path(scratch) / "int8.onnx"
        quantize_dynamic(onnx.load_model_from_string(model), out, weight_type=QuantType.QInt8)
        return out.read_bytes()

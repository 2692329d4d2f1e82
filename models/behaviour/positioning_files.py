"""A positioner as files: what it says of itself (JSON) and its fingerprints (safetensors), alone or within the room's artifact."""

from pathlib import Path

import numpy as np

from models.behaviour.positioning import FORMAT_VERSION, Positioner, PositionerSpec, Survey
from models.behaviour.positioning_data import Scans
from models.behaviour.rssi import Heard
from models.common.artifact import ArtifactError, Manifest, read_file, read_spec, write_artifact
from models.common.protocols import DataError
from models.common.report import Report

SPEC, FINGERPRINTS = "positioning.json", "fingerprints.safetensors"


def to_files(positioner: Positioner) -> dict[str, bytes | Path]:
    """The two files by name; the same positioner gives the same bytes."""
    from safetensors.numpy import save as tensors

    survey = positioner.survey
    arrays = {
        "point_starts": survey.heard.starts,
        "rows": survey.heard.rows,
        "dbm": survey.heard.dbm,
        "level_starts": survey.starts,
        "x": survey.x,
        "y": survey.y,
    }
    return {SPEC: positioner.spec.model_dump_json(indent=1).encode(), FINGERPRINTS: tensors(arrays)}


def from_files(spec: PositionerSpec, fingerprints: bytes) -> Positioner:
    """The reverse of `to_files`; ArtifactError for fingerprints that are not whole or do not fit."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as tensors

    try:
        arrays = tensors(fingerprints)
        heard = Heard(arrays["point_starts"], arrays["rows"], arrays["dbm"], len(arrays["x"]))
        return Positioner(spec, Survey(heard, arrays["level_starts"], arrays["x"], arrays["y"]))
    except (SafetensorError, KeyError, DataError) as error:
        raise ArtifactError(f"{FINGERPRINTS}: {error}: fit and save again") from error


def save(
    positioner: Positioner,
    folder: Path,
    *,
    scans: Scans,
    seed: int,
    report: Report | None = None,
    code_revision: str = "unknown",
) -> Manifest:
    """Write an artifact of the positioner alone; `scans` are those it was fitted on, a `report` adds its metrics."""
    points = len(positioner.spec.access_points)
    return write_artifact(
        folder,
        name="behaviour",
        config=positioner.spec.config,
        files=to_files(positioner),
        metrics=report.metric_dicts() if report else (),
        input_schema={"rssi": {"shape": ["N", points], "type": "float, dBm, NaN where unheard"}},
        output_schema={
            "level": {"shape": ["N"], "type": "int"},
            "probabilities": {"shape": ["N", len(positioner.spec.levels)], "type": "float in [0, 1]"},
            **{
                name: {"shape": ["N"], "type": f"float, {positioner.spec.coordinates}"} for name in ("x", "y", "radius")
            },
        },
        data_fingerprint=scans.fingerprint,
        code_revision=code_revision,
        trained_until=np.max(scans.at).astype("datetime64[D]").item(),
        seed=seed,
        libraries=("numpy", "safetensors"),
    )


def load(folder: Path) -> Positioner:
    """Verify the artifact in `folder` and return its positioner; ArtifactError if anything is not as the manifest says."""
    manifest, spec = read_spec(folder, "behaviour", PositionerSpec, SPEC, FORMAT_VERSION)
    return from_files(spec, read_file(folder, manifest, FINGERPRINTS))

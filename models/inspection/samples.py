"""Approved samples of batches as a release carries them: what a service compares a package with, by batch."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from models.inspection.data import SAMPLE_COLUMNS, SAMPLES, Floats
from models.inspection.registering import Pixels

INDEX_FILE, TENSOR_FILE = "samples.json", "samples.safetensors"
MOST_BATCHES = 1_024  # the newest are kept: what was packed long ago comes to no belt any more


class SamplesError(ValueError):
    """Samples that must not be used; the message names the folder and the remedy."""


@dataclass(frozen=True)
class ApprovedSamples:
    """B batches by name, `pictures` (B, S, S, 3), `nominal` (B, 3) weight in g, seal pressure in kPa, temperature in C."""

    batch_ids: tuple[str, ...]
    pictures: Pixels
    nominal: Floats

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Row of each batch."""
        return {name: row for row, name in enumerate(self.batch_ids)}


def samples_of(table: Any) -> ApprovedSamples:
    """The newest MOST_BATCHES rows of an Arrow table `approved_samples`. DataError for a picture that cannot be read."""
    from models.inspection.data import READINGS
    from models.inspection.pictures import read_pictures

    newest = table.sort_by([("packed_on", "descending"), ("batch_id", "descending")]).slice(0, MOST_BATCHES)
    newest = newest.select(list(SAMPLE_COLUMNS)).sort_by("batch_id")
    return ApprovedSamples(
        tuple(newest["batch_id"].to_pylist()),
        read_pictures(SAMPLES, newest["picture"].to_pylist()),
        np.stack([newest[name].to_numpy().astype(np.float64) for name in READINGS], axis=1),
    )


def write_samples(folder: Path, samples: ApprovedSamples) -> None:
    """Write the two files: an index (JSON, with the tensors' SHA-256) and one safetensors file."""
    from safetensors.numpy import save

    folder.mkdir(parents=True, exist_ok=True)
    tensor = save(
        {"pictures": np.ascontiguousarray(samples.pictures), "nominal": np.ascontiguousarray(samples.nominal)}
    )
    (folder / TENSOR_FILE).write_bytes(tensor)
    index = {"format": 1, "batch_ids": list(samples.batch_ids), "sha256": hashlib.sha256(tensor).hexdigest()}
    (folder / INDEX_FILE).write_text(json.dumps(index, ensure_ascii=False), encoding="utf-8")


def read_samples(folder: Path) -> ApprovedSamples:
    """Read what `write_samples` wrote; SamplesError when a file lacks, was altered or does not fit the other."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        index = json.loads((folder / INDEX_FILE).read_text(encoding="utf-8"))
        tensor = (folder / TENSOR_FILE).read_bytes()
        if hashlib.sha256(tensor).hexdigest() != index["sha256"]:
            raise SamplesError(f"{folder / TENSOR_FILE} is not the file its index describes: build the release again")
        arrays = load(tensor)
        found = ApprovedSamples(tuple(index["batch_ids"]), arrays["pictures"], arrays["nominal"])
    except (OSError, KeyError, TypeError, json.JSONDecodeError, UnicodeDecodeError, SafetensorError) as error:
        raise SamplesError(f"{folder}: no readable approved samples ({error}): build the release again") from error
    count = len(found.batch_ids)
    if found.pictures.ndim != 4 or len(found.pictures) != count or found.nominal.shape != (count, 3):
        raise SamplesError(
            f"{folder}: {count} batches, pictures {found.pictures.shape}, nominal {found.nominal.shape}: build the release again"
        )
    return found

"""From tables of inspections to registered pictures and readings: the only place that knows column names; split by time."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from models.common.arrow_columns import need_columns, numbers, refuse_nulls
from models.common.protocols import DataError
from models.inspection.config import Config
from models.inspection.pictures import read_pictures
from models.inspection.registering import Pixels, registered
from models.inspection.spec import SOUND

TABLE, SAMPLES = "inspections", "approved_samples"
READINGS = ("weight_g", "pressure_kpa", "temperature_c")
SAMPLE_COLUMNS = ("batch_id", "picture", *READINGS)
COLUMNS = ("package_id", "batch_id", "packed_on", "picture", *READINGS, "defect")
LEAST_ROWS = 20
FARTHEST = 30.0  # spreads of sound readings that a reading is told off nominal, at most
_USUAL_SIDE = 128  # `furthest_px` is told in pixels of such a picture
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Dataset:
    """N packages in the order of packing, B batches. `pictures` (N, S, S, 3) moved onto `approved` (B, S, S, 3) of their `batch`
    (N,); `off` (N, 3) the readings off nominal, weight as a fraction; `kind` (N,) numbers `kinds`, soundness 0. Rows before
    `calibrate_from` train, those from `test_from` on are judged."""

    pictures: Pixels
    approved: Pixels
    batch: Ints
    off: Floats
    kind: Ints
    kinds: tuple[str, ...]
    packed_on: npt.NDArray[np.datetime64]
    calibrate_from: int
    test_from: int
    config: Config
    fingerprint: str

    @property
    def trained_until(self) -> np.datetime64:
        """Last day that training or calibration sees."""
        return np.datetime64(self.packed_on[self.test_from - 1])


def prepare(tables: Mapping[str, Any], cfg: Config) -> Dataset:
    """From Arrow tables `inspections` (a row a package that a person opened; `defect` "none" where it was sound) and
    `approved_samples` (a row a batch: approved picture and nominal readings).

    DataError names the table, the column, the value and the remedy.
    """
    import pyarrow.compute as pc

    for name, columns in ((TABLE, COLUMNS), (SAMPLES, SAMPLE_COLUMNS)):
        if name not in tables:
            raise DataError(f"{name}: missing: give a table with {', '.join(columns)}")
        need_columns(name, tables[name], columns)
        for column in columns:
            refuse_nulls(name, tables[name], column, "leave out packages that nobody opened, and mend the others")
    table, samples = tables[TABLE], tables[SAMPLES]
    if table.num_rows < LEAST_ROWS:
        raise DataError(f"{TABLE}: {table.num_rows} rows, at least {LEAST_ROWS} are needed: inspect more packages")
    order = pc.sort_indices(table, sort_keys=[("packed_on", "ascending"), ("package_id", "ascending")])
    table = table.take(order)
    ids, of = samples["batch_id"].to_pylist(), table["batch_id"].to_pylist()
    place = {name: number for number, name in enumerate(ids)}
    if len(place) < len(ids):
        raise DataError(f"{SAMPLES}.batch_id: {len(ids) - len(place)} batches have two samples: keep the approved one")
    if strange := [name for name in of if name not in place]:
        raise DataError(
            f"{TABLE}.batch_id: {strange[0]!r} and {len(strange) - 1} more rows are of batches without a row in "
            f"{SAMPLES}: add its approved sample"
        )
    batch = np.array([place[name] for name in of], dtype=np.int64)
    found = table["defect"].to_pylist()
    kinds = (SOUND, *sorted(set(found) - {SOUND}))
    if len(kinds) < 2 or SOUND not in found:
        raise DataError(f"{TABLE}.defect: {kinds} only: sound packages ({SOUND!r}) and at least one defect are needed")
    kind = np.array([kinds.index(name) for name in found], dtype=np.int64)
    approved = read_pictures(SAMPLES, samples["picture"].to_pylist())
    pictures = read_pictures(TABLE, table["picture"].to_pylist())
    readings, nominal = (
        np.stack([numbers(name, each, column) for column in READINGS], axis=1)
        for name, each in ((TABLE, table), (SAMPLES, samples))
    )
    _check_readings(readings, nominal)
    off = off_nominal(readings, nominal[batch])
    if approved.shape[1:] != pictures.shape[1:]:
        raise DataError(
            f"{SAMPLES}: pictures of {approved.shape[1]} px, {TABLE} has {pictures.shape[1]}: bring to one size"
        )
    digest = sha256("|".join((*kinds, *map(str, ids))).encode())
    for each in (pictures, approved, batch, off, kind):
        digest.update(np.ascontiguousarray(each).tobytes())
    count = len(kind)
    calibrate_from = round(count * (1 - cfg.calibrate_share - cfg.test_share))
    if calibrate_from < LEAST_ROWS // 2:
        raise DataError(f"{TABLE}: {calibrate_from} rows are left to train on: lower calibrate_share or test_share")
    return Dataset(
        pictures=registered(pictures, approved, batch, furthest(cfg, pictures.shape[1])),
        approved=approved,
        batch=batch,
        off=off,
        kind=kind,
        kinds=kinds,
        packed_on=pc.cast(table["packed_on"], "date32").to_numpy().astype("datetime64[D]"),
        calibrate_from=calibrate_from,
        test_from=round(count * (1 - cfg.test_share)),
        config=cfg,
        fingerprint=digest.hexdigest(),
    )


def furthest(cfg: Config, side: int) -> int:
    """Pixels of a picture of so many by which it may be moved."""
    return min(side // 2 - 1, max(0, round(cfg.furthest_px * side / _USUAL_SIDE)))


def off_nominal(readings: Floats, nominal: Floats) -> Floats:
    """Readings (N, 3) off nominal ones (N, 3): weight as a fraction of it, the others as a difference."""
    off = readings - nominal
    off[:, 0] /= nominal[:, 0]
    return off


def assemble(pictures: Pixels, approved: Pixels, off: Floats, spread: Floats) -> dict[str, npt.NDArray[np.float32]]:
    """What the network reads, for training and serving alike: picture and approved (N, 3, S, S) in 0..1, readings (N, 3)."""
    as_planes = [
        np.ascontiguousarray(each.transpose(0, 3, 1, 2), dtype=np.float32) / np.float32(255)
        for each in (pictures, approved)
    ]
    # Beyond this nobody needs to know how far off a reading is, and a broken sensor must not drown the picture.
    readings = np.clip(off / spread, -FARTHEST, FARTHEST).astype(np.float32)
    return {"picture": as_planes[0], "approved": as_planes[1], "readings": readings}


def _check_readings(readings: Floats, nominal: Floats) -> None:
    for name, values in ((TABLE, readings), (SAMPLES, nominal)):
        for column, each in zip(READINGS, values.T, strict=True):
            if not np.isfinite(each).all():
                raise DataError(
                    f"{name}.{column}: {int((~np.isfinite(each)).sum())} values are not finite: drop those rows"
                )
    if (nominal[:, 0] <= 0).any():
        raise DataError(f"{SAMPLES}.weight_g: {nominal[:, 0].min():g}: nominal weight must be above 0")

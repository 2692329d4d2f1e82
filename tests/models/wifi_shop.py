"""A shop of two floors with access points: what devices of different ears hear on a grid of surveyed places, and between them."""

import numpy as np

from models.behaviour.positioning_data import Level, Scans

WIDTH_M, DEPTH_M, STOREY_M = 20.0, 12.0, 4.0
AUDIBLE_DBM = -92.0
LEVELS = (Level("shop", 0), Level("shop", 1))


def access_points(rng: np.random.Generator, count: int = 12) -> np.ndarray:
    """Places (A, 3) in m of access points, by turns on either floor."""
    flat = rng.uniform((0, 0), (WIDTH_M, DEPTH_M), (count, 2))
    return np.column_stack([flat, (np.arange(count) % 2) * STOREY_M])


def scans(
    points: np.ndarray, places: np.ndarray, level: np.ndarray, *, loudness: np.ndarray, rng: np.random.Generator
) -> Scans:
    """One scan at each place (N, 2) by a device that hears everything `loudness` (N,) dB louder: log-distance path loss with exponent
    3 and 12 dB a ceiling, 3 dB of noise; what arrives below -92 dBm is not heard."""
    at = np.column_stack([places, level * STOREY_M + 1.0])
    metres = np.maximum(np.linalg.norm(at[:, None] - points[None], axis=2), 0.5)
    ceilings = points[None, :, 2] / STOREY_M != level[:, None]
    dbm = -38.0 - 30.0 * np.log10(metres) - 12.0 * ceilings + loudness[:, None] + rng.normal(0, 3, metres.shape)
    heard = np.where(dbm >= AUDIBLE_DBM, np.minimum(dbm, 0.0), np.nan)
    _, number = np.unique(loudness, return_inverse=True)
    count = len(places)
    return Scans(
        access_points=tuple(f"ap-{i:02d}" for i in range(len(points))),
        levels=LEVELS,
        coordinates="floor_m",
        scan_id=np.array([f"s-{i:05d}" for i in range(count)]),
        device=np.array([f"d-{i}" for i in number]),
        at=np.datetime64("2026-01-05T09:00:00", "us") + np.arange(count),
        rssi=heard.astype(np.float32),
        level=level.astype(np.int64),
        x=places[:, 0].astype(np.float64),
        y=places[:, 1].astype(np.float64),
    )


def survey(points: np.ndarray, rng: np.random.Generator, devices: tuple[float, ...] = (-6.0, 0.0, 5.0)) -> Scans:
    """Each place of a 2 m grid, on both floors, twice by each device."""
    x, y, level, loudness, _ = (
        each.ravel()
        for each in np.meshgrid(
            np.arange(1, WIDTH_M, 2), np.arange(1, DEPTH_M, 2), (0, 1), devices, (0, 1), indexing="ij"
        )
    )
    return scans(points, np.column_stack([x, y]), level.astype(int), loudness=loudness, rng=rng)


def visits(points: np.ndarray, rng: np.random.Generator, count: int, loudness: float = 3.0) -> Scans:
    """`count` scans anywhere by a device that surveyed nothing."""
    places = rng.uniform((0, 0), (WIDTH_M, DEPTH_M), (count, 2))
    return scans(points, places, rng.integers(0, 2, count), loudness=np.full(count, loudness), rng=rng)

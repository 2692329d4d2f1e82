"""Lays a picture over the approved one of its batch, with NumPy alone: what is compared must lie in the same place."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Pixels: TypeAlias = npt.NDArray[np.uint8]  # (N, S, S, 3)
_CHUNK = 256  # pictures whose spectra are held at once


def registered(pictures: Pixels, approved: Pixels, of: npt.NDArray[np.int64], furthest: int) -> Pixels:
    """Pictures (N, S, S, 3) moved by whole pixels onto `approved` (B, S, S, 3), `of` (N,) telling which, `furthest` pixels at most.

    Phase correlation (Kuglin and Hines 1975). What leaves on one side comes in at the other: there is only belt.
    """
    side = pictures.shape[1]
    spectra = np.fft.rfft2(_grey(approved))
    reach = np.r_[0 : furthest + 1, side - furthest : side]
    shifts = (reach + side // 2) % side - side // 2
    moved = np.empty_like(pictures)
    for start in range(0, len(pictures), _CHUNK):
        rows = slice(start, start + _CHUNK)
        crossed = spectra[of[rows]] * np.conj(np.fft.rfft2(_grey(pictures[rows])))
        # Half whitened: plain correlation is blunt, full whitening follows the noise.
        crossed /= np.sqrt(np.abs(crossed)) + 1e-6
        peaks = np.fft.irfft2(crossed, s=(side, side))[:, reach[:, None], reach]
        best = peaks.reshape(len(peaks), -1).argmax(axis=1)
        for row, place in enumerate(best):
            down, across = shifts[place // len(reach)], shifts[place % len(reach)]
            moved[start + row] = np.roll(pictures[start + row], (down, across), axis=(0, 1))
    return moved


def _grey(pictures: Pixels) -> npt.NDArray[np.float32]:
    return np.asarray(pictures.mean(axis=3, dtype=np.float32))

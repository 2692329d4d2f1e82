"""Names of what pictures are made of."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Pixels: TypeAlias = npt.NDArray[np.uint8]  # RGB (H, W, 3), or RGB and coverage (H, W, 4)
Mask: TypeAlias = npt.NDArray[np.uint8]  # (H, W), 0 or 255
Ids: TypeAlias = npt.NDArray[np.uint16]  # (H, W): 0 where nothing counted is seen, else the number of an item plus 1

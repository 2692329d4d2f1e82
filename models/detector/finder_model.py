"""Architecture of the finder: Ultralytics' YOLO11 (Jocher and Qiu 2024) with one class. Import it only within `quiet_import`."""

from typing import Any

import torch
from ultralytics.nn.tasks import DetectionModel, yaml_model_load

from models.detector.finder_config import Architecture

CLASS = "item"


class FinderModel(DetectionModel):
    """YOLO11 of one class: (B, 3, S, S) in [0, 1] -> (B, 5, N) where it does not train."""

    def __init__(self, architecture: Architecture = "yolo11n", bfloat16: bool = False) -> None:
        # The configuration is in the package: nothing is fetched.
        layers = yaml_model_load(f"{architecture}.yaml")  # type: ignore[no-untyped-call]
        super().__init__({**layers, "nc": 1}, ch=3, nc=1, verbose=False)  # type: ignore[no-untyped-call]
        self.names = {0: CLASS}
        self.in_bfloat16 = bfloat16

    def loss(self, batch: dict[str, Any], preds: Any = None) -> Any:
        """Ultralytics' loss in single precision of predictions in half, where that is asked for."""
        if preds is None and self.in_bfloat16:
            with torch.autocast("cpu", torch.bfloat16):
                rough = self.forward(batch["img"])  # type: ignore[no-untyped-call]
            preds = {
                name: part.float() if torch.is_tensor(part) else [each.float() for each in part]
                for name, part in rough.items()
            }
        return super().loss(batch, preds)  # type: ignore[no-untyped-call]

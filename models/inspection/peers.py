"""What visual inspection stands beside: sensor thresholds, logistic regression on a few numbers, and a Gaussian anomaly model."""

import numpy as np

from models.inspection.anomaly import farthest
from models.inspection.data import Dataset, Floats, Ints
from models.inspection.predict import Predictor

SENSORS = "sensor thresholds"
LOGISTIC = "logistic regression, readings and mean difference"
ANOMALY = "Gaussian anomaly model (PaDiM)"
GRID = 16  # blocks a side that the anomaly model looks at


def peer_scores(data: Dataset, model: Predictor, rows: Ints) -> dict[str, Floats]:
    """Scores (N,) of rows by each peer, higher where a defect is likelier; fitted on the rows before `calibrate_from`."""
    known = np.arange(data.calibrate_from)
    spread = np.array(model.spec.spread)
    off = {"known": data.off[known] / spread, "rows": data.off[rows] / spread}
    blocks = {"known": differences(data, known), "rows": differences(data, rows)}
    return {
        SENSORS: np.abs(off["rows"]).max(axis=1),
        LOGISTIC: _logistic(off, blocks, data.kind[known] > 0),
        ANOMALY: np.maximum(
            farthest(blocks["known"][data.kind[known] == 0], blocks["rows"]),
            farthest(off["known"][data.kind[known] == 0][:, None], off["rows"][:, None]),
        ),
    }


def differences(data: Dataset, rows: Ints) -> Floats:
    """What each block of a picture differs by from the approved one, (N, GRID^2, 6): means and standard deviations by channel."""
    found = np.empty((len(rows), GRID**2, 6))
    for number, row in enumerate(rows):
        away = data.pictures[row].astype(np.float32) - data.approved[data.batch[row]]
        side = away.shape[0] // GRID
        blocks = away[: side * GRID, : side * GRID].reshape(GRID, side, GRID, side, 3)
        parts = [blocks.mean(axis=(1, 3)), blocks.std(axis=(1, 3))]
        found[number] = np.concatenate(parts, axis=2).reshape(GRID**2, 6)
    return found


def _logistic(off: dict[str, Floats], blocks: dict[str, Floats], faulty: np.ndarray) -> Floats:
    """Log odds by scikit-learn, of readings, how far off they are, and the picture's mean absolute difference by blocks."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def columns(part: str) -> Floats:
        return np.column_stack([off[part], np.abs(off[part]), np.abs(blocks[part][..., :3]).mean(axis=(1, 2))])

    fitted = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000)).fit(columns("known"), faulty)
    return np.asarray(fitted.decision_function(columns("rows")), dtype=np.float64)

"""The one place where telemetry of every tool we run is switched off."""

from collections.abc import MutableMapping

TELEMETRY_OFF: dict[str, str] = {
    "BENTOML_DO_NOT_TRACK": "True",
    "DAGSTER_DISABLE_TELEMETRY": "yes",
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "FEAST_TELEMETRY": "False",
    "FEAST_USAGE": "False",
    "FLWR_TELEMETRY_ENABLED": "0",
    "GX_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "NO_ALBUMENTATIONS_UPDATE": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TRANSFORMERS_OFFLINE": "1",
    "WANDB_MODE": "disabled",
    "YOLO_AUTOINSTALL": "false",
    "YOLO_OFFLINE": "true",
}


def switch_off(environ: MutableMapping[str, str]) -> None:
    """Set every switch of `TELEMETRY_OFF` in `environ` (call it with `os.environ` before the tools are imported)."""
    environ.update(TELEMETRY_OFF)

"""The stored forecast of a release, as `orchestration` writes it; its home is the forecaster room, shared with edge."""

from models.forecaster.fallback import LastGoodForecast, read_last_good, write_last_good

__all__ = ["LastGoodForecast", "read_last_good", "write_last_good"]

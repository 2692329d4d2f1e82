"""How the edge opens a graph: as services do."""

from models.common.sessions import open_session

__all__ = ["open_session"]

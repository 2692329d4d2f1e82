"""Colours and canvases of all pictures in reports: one hand, no global state, no display."""

import io
from typing import Any

INK, CHAMPION, OTHER, BAND = "#1f2933", "#0b6e4f", "#c8553d", "#9fd3c0"


def figure(width: float, height: float) -> Any:
    """An empty matplotlib figure of so many inches."""
    from matplotlib.figure import Figure  # without pyplot

    return Figure(figsize=(width, height), layout="constrained")


def png(drawn: Any) -> bytes:
    """The figure as PNG bytes."""
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png", dpi=90)
    return buffer.getvalue()

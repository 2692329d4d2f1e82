"""What `edge.eyes.loop` tells of its health as a page for a person: verdict first, problems, figures, cameras. No scripts."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

REFRESH_S = 5
# Key of the health -> what a person calls it, with its unit.
FIGURES = {
    "box_id": "box",
    "bundle": "bundle that runs",
    "note": "why it is not the newest",
    "uptime_s": "running for",
    "frames": "frames looked at",
    "failed": "frames the networks failed on",
    "broken": "broken frames left out",
    "dropped": "frames of live cameras passed over",
    "last_frame_age_s": "since the last frame",
    "last_turn_age_s": "since the loop's last turn",
    "frame_ms_p50": "a frame takes (median)",
    "events_stored": "events told",
    "events_forwarded": "events forwarded",
    "events_waiting": "events waiting on the disk",
    "events_refused": "events refused and set aside",
    "forward_failures": "failed tries to forward",
    "memory_mb": "memory",
}
CAMERA = {
    "read": "frames",
    "broken": "broken",
    "dropped": "passed over",
    "reconnects": "connections lost",
    "restarts": "reader replaced",
}
_UNITS = {"_s": "s", "_mb": "MB", "_ms_p50": "ms"}
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="{refresh}">
<title>{verdict} - box with cameras</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.45 system-ui, sans-serif; max-width: 60rem; margin: 1.5rem auto; padding: 0 1rem }}
h1 {{ font-size: 1.3rem; padding: .6rem .9rem; border-radius: .4rem; color: #fff; background: {colour} }}
h2 {{ font-size: 1.05rem; margin: 1.6rem 0 .4rem }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid #8884; vertical-align: top }}
td.number, th.number {{ text-align: right; font-variant-numeric: tabular-nums }}
.wide {{ overflow-x: auto }}
footer {{ margin-top: 1.6rem; opacity: .75; font-size: .9rem }}
</style>
</head>
<body>
<h1>{verdict}</h1>
{problems}
<h2>Cameras</h2>
{cameras}
<h2>Figures</h2>
{figures}
<footer>Brought up to date every {refresh} s; the same for programs at <a href="/healthz">/healthz</a>.</footer>
</body>
</html>
"""


def health_page(told: Mapping[str, Any]) -> str:
    """HTML of a health report; whatever it says is escaped."""
    well = bool(told.get("healthy"))
    problems: Sequence[Any] = told.get("problems", ())
    listed = "".join(f"<li>{escape(str(each))}</li>" for each in problems)
    rows = [(name, told[key], key) for key, name in FIGURES.items() if told.get(key) not in {None, ""}]
    figures = "".join(
        f'<tr><td>{name}</td><td class="number">{_value(value, key)}</td></tr>' for name, value, key in rows
    )
    return _PAGE.format(
        refresh=REFRESH_S,
        verdict="All is well" if well else "Not well: somebody should look",
        colour="#1b7a3d" if well else "#b3261e",
        problems=f"<h2>{'Worth knowing' if well else 'What is wrong'}</h2><ul>{listed}</ul>" if listed else "",
        cameras=_cameras(told.get("cameras", {})),
        figures=f"<table>{figures}</table>" if figures else "<p>None yet.</p>",
    )


def _cameras(told: Mapping[str, Mapping[str, Any]]) -> str:
    if not told:
        return "<p>None.</p>"
    head = "".join(f'<th class="number">{name}</th>' for name in CAMERA.values())
    rows = "".join(
        f"<tr><td>{escape(str(name))}</td><td>{_state(each)}</td>"
        + "".join(f'<td class="number">{_value(each.get(key, 0), key)}</td>' for key in CAMERA)
        + "</tr>"
        for name, each in told.items()
    )
    return f'<div class="wide"><table><tr><th>camera</th><th>state</th>{head}</tr>{rows}</table></div>'


def _state(told: Mapping[str, Any]) -> str:
    if told.get("given_up"):
        return "given up"
    if told.get("ended"):
        return "read to its end" if not told.get("live") else "away, tried again"
    return "live" if told.get("live") else "being read"


def _value(value: Any, key: str) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return escape(str(value))
    unit = next((unit for end, unit in _UNITS.items() if key.endswith(end)), "")
    if unit == "s" and value >= 120:
        minutes = int(value) // 60
        return f"{minutes} min" if minutes < 120 else f"{minutes // 60:,} h {minutes % 60} min"
    return f"{value:,} {unit}".strip()

"""The page where a person drops a photo and sees boxes and names: in Python, so that a bento carries it with the code."""

from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from models.common.pictures import Pixels, encode_picture
from models.detector.drawing import SURE_FROM, annotated, note_of
from models.detector.predict import Item

if TYPE_CHECKING:
    from jinja2 import Template

SHOWN_PX: Final = 1_280  # longer side of the picture on the page

STYLE = """
:root { --ink: #1b2430; --soft: #4a5665; --line: #8794a3; --shade: #f4f6f9; --accent: #14508c; --good: #16803c; --unsure: #8a5000;
  --bad: #a3201d; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
header { background: #12273d; color: #fff; padding: .8rem 1.25rem; }
header a { color: #fff; margin-left: 1.25rem; }
main { max-width: 82rem; margin: 0 auto; padding: 1rem 1.25rem; }
h1 { font-size: 1.5rem; margin: .25rem 0 .75rem; }
h2 { font-size: 1.15rem; margin: 1.25rem 0 .5rem; }
#drop { border: 2px dashed var(--line); border-radius: 8px; background: var(--shade); padding: 1.25rem; text-align: center; }
#drop.over { border-color: var(--accent); background: #e4eefa; }
#drop label { display: block; font-weight: 600; margin-bottom: .6rem; }
#drop p { color: var(--soft); margin: .6rem 0 0; font-size: .9rem; }
input[type=file] { font: inherit; max-width: 100%; }
button { font: inherit; font-weight: 600; padding: .4rem 1rem; border-radius: 4px; border: 1px solid var(--accent);
  background: var(--accent); color: #fff; cursor: pointer; }
button[disabled] { opacity: .6; cursor: progress; }
a:focus-visible, button:focus-visible, input:focus-visible { outline: 3px solid #f0a400; outline-offset: 2px; }
.seen { display: flex; flex-wrap: wrap; gap: 1.25rem; align-items: flex-start; margin-top: 1.25rem; }
.seen figure { margin: 0; flex: 1 1 32rem; } .seen img { max-width: 100%; height: auto; border: 1px solid #d5dbe3; display: block; }
figcaption, .note { color: var(--soft); font-size: .9rem; }
.seen section { flex: 1 1 20rem; max-height: 44rem; overflow-y: auto; }
table { border-collapse: collapse; width: 100%; font-size: .925rem; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid #d5dbe3; overflow-wrap: anywhere; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.sure { color: var(--good); font-weight: 600; } .unsure { color: var(--unsure); font-weight: 600; }
.error { border-left: 4px solid var(--bad); background: #fbe6e5; padding: .6rem 1rem; border-radius: 4px; }
"""

SCRIPT = """
"use strict";
const form = document.getElementById("look"), file = document.getElementById("picture"), drop = document.getElementById("drop");
const button = form.querySelector("button"), busy = document.getElementById("busy");
form.addEventListener("submit", () => { button.disabled = true; busy.textContent = "Looking at the photo…"; });
file.addEventListener("change", () => { if (file.files.length) { form.requestSubmit(); } });
for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
}
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) { drop.classList.remove("over"); } });
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  if (event.dataTransfer.files.length === 1) {
    file.files = event.dataTransfer.files;
    form.requestSubmit();
  } else {
    busy.textContent = "Drop one picture file.";
  }
});
window.addEventListener("pageshow", () => { button.disabled = false; busy.textContent = ""; });
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>What is on this photo? · Storeloop</title>
<link rel="stylesheet" href="/look/style.css">
<link rel="icon" href="data:,">
<script src="/look/look.js" defer></script>
</head>
<body>
<header><strong>Storeloop product recognition</strong><a href="/look">Look at a photo</a><a href="/">For programs</a></header>
<main>
<h1>What is on this photo?</h1>
{% if error %}<p class="error" role="alert">{{ error }}</p>{% endif %}
<form id="look" method="post" action="/look" enctype="multipart/form-data">
  <div id="drop">
    <label for="picture">Drop a photo anywhere on this page, or choose one</label>
    <input type="file" id="picture" name="picture" accept="image/jpeg,image/png,image/webp" required>
    <button type="submit">Look</button>
    <p id="busy" role="status"></p>
    <p>JPEG, PNG or WebP, up to {{ megabytes }} MB and {{ megapixels }} megapixels. It is looked at and forgotten.</p>
  </div>
</form>
{% if picture %}
<div class="seen">
  <figure><img src="{{ picture }}" alt="Your photo with {{ rows | length }} boxes, listed in the table">
  <figcaption>{{ served_by }}</figcaption></figure>
  <section aria-label="Items" tabindex="0">
  <h2>{{ rows | length }} {{ "item" if rows | length == 1 else "items" }} found</h2>
  {% if rows %}<table><thead><tr><th scope="col">Product</th><th scope="col" class="number">Items</th>
    <th scope="col" class="number">Confidence</th></tr></thead><tbody>
  {% for row in groups %}<tr><td class="{{ row.look }}">{{ row.name }}</td><td class="number">{{ row.count }}</td>
    <td class="number">{{ row.confidence }}</td></tr>
  {% endfor %}</tbody></table>
  <p class="note">Confidence is the calibrated chance that the name is right; of several items, the lowest and the highest.</p>
  {% else %}<p class="note">Nothing that looks like a product. Come closer, or photograph it in better light.</p>{% endif %}
  </section>
</div>
{% endif %}
</main>
</body>
</html>
"""


def page(*, error: str = "", megabytes: int, megapixels: int, **seen: Any) -> str:
    """The page, with an error or what was seen (see `shown`)."""
    return _template().render(error=error, megabytes=megabytes, megapixels=megapixels, **seen)


def shown(picture: Pixels, items: Sequence[Item], served_by: str) -> dict[str, Any]:
    """What `page` says of a picture (H, W, 3): the picture itself with boxes, as large as a screen, and its items by product."""
    from PIL import Image

    height, width = picture.shape[:2]
    scale = min(1.0, SHOWN_PX / max(height, width))
    small, at_scale = picture, list(items)
    if scale < 1:
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        small = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))
        at_scale = [_scaled(item, scale) for item in items]
    drawn = encode_picture(annotated(small, [note_of(item) for item in at_scale]), "JPEG")
    return {
        "picture": f"data:image/jpeg;base64,{b64encode(drawn).decode()}",
        "rows": items,
        "groups": _groups(items),
        "served_by": f"{width} x {height} pixels, looked at by {served_by[:21]}",
    }


def _groups(items: Sequence[Item]) -> list[dict[str, Any]]:
    """Items of one product in one row, the most numerous first, what is unknown last."""
    by_name: dict[str | None, list[float]] = {}
    for item in items:
        by_name.setdefault(item.product, []).append(item.confidence)
    rows = []
    for name, confidences in sorted(by_name.items(), key=lambda pair: (pair[0] is None, -len(pair[1]), pair[0] or "")):
        low, high = (f"{each:.0%}" for each in (min(confidences), max(confidences)))
        sure = name is not None and min(confidences) >= SURE_FROM
        rows.append({
            "name": name or "unknown: ask a person",
            "count": len(confidences),
            "confidence": "" if name is None else low if low == high else f"{low} to {high}",
            "look": "sure" if sure else "unsure",
        })  # fmt: skip
    return rows


def _scaled(item: Item, scale: float) -> Item:
    left, top, right, bottom = (edge * scale for edge in item.box)
    return Item((left, top, right, bottom), item.score, item.product, item.confidence)


@cache
def _template() -> "Template":
    from jinja2 import Environment

    return Environment(autoescape=True).from_string(_PAGE)

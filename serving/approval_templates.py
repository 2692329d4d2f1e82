"""Templates of the approval pages and their style: in Python, so that a bento carries them with the code."""

from collections.abc import Mapping

STYLE = """
:root { --ink: #1b2430; --soft: #4a5665; --line: #d5dbe3; --shade: #f4f6f9; --accent: #14508c; --good: #17653a;
  --good-ground: #e3f3e9; --bad: #a3201d; --bad-ground: #fbe6e5; --warn: #7a4b00; --warn-ground: #fdf0d8; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
header { background: #12273d; color: #fff; }
header a { color: #fff; text-decoration: none; } header a:hover { text-decoration: underline; }
.top, main { max-width: 82rem; margin: 0 auto; padding: .8rem 1.25rem; }
.top { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; align-items: center; }
.top form { margin-left: auto; } .top form span { margin-right: .75rem; }
.home { font-weight: 650; font-size: 1.1rem; }
h1 { font-size: 1.65rem; margin: .25rem 0 .75rem; }
a { color: var(--accent); }
a:focus-visible, button:focus-visible, input:focus-visible, select:focus-visible { outline: 3px solid #f0a400; outline-offset: 2px; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-size: .925rem; }
th, td { text-align: left; vertical-align: top; padding: .5rem .75rem; border-bottom: 1px solid var(--line); }
thead th { background: var(--shade); color: var(--soft); white-space: nowrap; }
tbody tr:last-child > * { border-bottom: 0; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.up { color: var(--bad); } .down { color: var(--good); }
.tag { display: inline-block; padding: .05rem .5rem; border-radius: 999px; font-size: .85rem; background: var(--warn-ground);
  color: var(--warn); }
.note, small { color: var(--soft); font-size: .88rem; }
.id { font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .82rem; overflow-wrap: anywhere; }
.tabs, .filter, .buttons, .pager { display: flex; flex-wrap: wrap; gap: .6rem 1rem; align-items: end; margin: 1rem 0; }
.tabs a { border: 1px solid var(--line); border-radius: 999px; padding: .2rem .8rem; text-decoration: none; }
.tabs a[aria-current] { background: #12273d; border-color: #12273d; color: #fff; }
label { display: block; font-size: .9rem; color: var(--soft); }
input[type=text], input[type=password], input[type=number], select { font: inherit; padding: .35rem .5rem; border: 1px solid #8794a3;
  border-radius: 4px; max-width: 100%; }
input[type=checkbox] { width: 1.05rem; height: 1.05rem; }
button { font: inherit; font-weight: 600; padding: .4rem 1rem; border-radius: 4px; border: 1px solid #8794a3; background: #fff;
  cursor: pointer; }
button.approve { background: var(--good); border-color: var(--good); color: #fff; }
button.reject { background: var(--bad); border-color: var(--bad); color: #fff; }
.decide { border: 1px solid var(--line); border-radius: 6px; background: var(--shade); padding: 1rem 1.25rem; margin-top: 1.25rem; }
.all { margin-top: .75rem; color: var(--ink); }
.decide #reason { width: min(40rem, 100%); }
.message { border-left: 4px solid var(--good); background: var(--good-ground); padding: .6rem 1rem; border-radius: 4px; }
.error { border-left: 4px solid var(--bad); background: var(--bad-ground); padding: .6rem 1rem; border-radius: 4px; }
svg { max-width: 46rem; width: 100%; height: auto; }
"""

_BASE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }} · Storeloop pricing</title>
<link rel="stylesheet" href="/approvals/style.css">
<link rel="icon" href="data:,">
</head>
<body>
<header><div class="top">
  <a class="home" href="/approvals">Storeloop pricing</a>
  <nav><a href="/approvals">Proposed prices</a> · <a href="/approvals/audit">Audit trail</a> · <a href="/curve">What if</a> ·
    <a href="/curve_fresh">What if, fresh goods</a></nav>
  {% if person %}<form method="post" action="/approvals/logout"><input type="hidden" name="seal" value="{{ seal }}">
    <span>{{ person.name }}, {{ person.role }}</span><button type="submit">Sign out</button></form>{% endif %}
</div></header>
<main>
<h1>{{ title }}</h1>
{% block content %}{% endblock %}
</main>
</body>
</html>
"""

_MESSAGE = """{% extends "base" %}{% block content %}<p class="error" role="alert">{{ message }}</p>{% endblock %}"""

_LOGIN = """{% extends "base" %}{% block content %}
{% if error %}<p class="error" role="alert">{{ error }}</p>{% endif %}
<form method="post" action="/approvals/login" class="decide">
  <label for="token">Your token</label>
  <input type="password" id="token" name="token" required maxlength="500" autocomplete="current-password">
  <div class="buttons"><button type="submit">Sign in</button></div>
  <p class="note">Whoever runs this service gave it to you. It says who you are in the audit trail.</p>
</form>
{% endblock %}"""

_PROPOSALS = """{% extends "base" %}{% block content %}
{% if error %}<p class="error" role="alert">{{ error }}</p>{% endif %}
{% if decided %}
  {% if decided.done or decided.known %}<p class="message" role="status">{% if decided.done %}{{ verdict.capitalize() }}
    {{ decided.done | length }} {{ "price" if decided.done | length == 1 else "prices" }}. {% endif %}
    {% if decided.known %}{{ decided.known | length }} {{ "was" if decided.known | length == 1 else "were" }} {{ verdict }}
    before: nothing changed. {% endif %}</p>{% endif %}
  {% if decided.conflicts %}<div class="error" role="alert">Not decided:<ul>
    {% for each in decided.conflicts %}<li>{{ each }}</li>{% endfor %}</ul></div>{% endif %}
{% endif %}
<nav class="tabs" aria-label="Status">
  {% for status, label, count in tabs %}<a href="{{ view.address(status=status) }}"
    {%- if status == view.chosen.status %} aria-current="page"{% endif %}>{{ label }} ({{ "{:,}".format(count) }})</a>
  {% endfor %}
</nav>
<form class="filter" method="get" action="/approvals">
  <input type="hidden" name="status" value="{{ view.chosen.status }}">
  <div><label for="market">Market</label><select id="market" name="market"><option value="">all</option>
    {% for each in markets %}<option{% if each == view.chosen.market %} selected{% endif %}>{{ each }}</option>{% endfor %}
    </select></div>
  <div><label for="rule">Rule that moved it</label><select id="rule" name="rule"><option value="">any or none</option>
    {% for each in rules %}<option{% if each == view.chosen.rule %} selected{% endif %}>{{ each }}</option>{% endfor %}
    </select></div>
  <div><label for="search">Item contains</label><input type="text" id="search" name="search" value="{{ view.chosen.search }}"
    maxlength="200"></div>
  <button type="submit">Filter</button>
</form>
{% if not rows %}<p class="note">There is none.</p>{% else %}
<form method="post" action="/approvals/decide">
  <input type="hidden" name="seal" value="{{ seal }}">
  {% for name, value in view.fields().items() %}<input type="hidden" name="view_{{ name }}" value="{{ value }}">{% endfor %}
  <p class="note">{{ "{:,}".format(total) }} proposals, the highest expected gain first; money in the currency of the price.</p>
  <div class="scroll"><table>
  <thead><tr>{% if person.role == "approver" and view.chosen.status == "pending" %}<th scope="col">Choose</th>{% endif %}
    <th scope="col">Item</th><th scope="col" class="number">Now</th><th scope="col" class="number">Proposed</th>
    <th scope="col" class="number">Change</th><th scope="col">Rule</th><th scope="col" class="number">Gain over list price</th>
    <th scope="col">By</th><th scope="col">Made (UTC)</th><th scope="col">Decided</th></tr></thead>
  <tbody>
  {% for row in rows %}{% set p = row.proposal %}
  <tr>{% if person.role == "approver" and view.chosen.status == "pending" %}<td><input type="checkbox" name="proposal"
      value="{{ p.proposal_id }}" aria-label="Choose {{ p.item_id }} of {{ p.market }}"></td>{% endif %}
    <td>{{ p.item_id }}<br><small>{{ p.market }} · <span class="id">{{ p.proposal_id[:8] }}</span></small></td>
    <td class="number">{{ p.old_price | money }}</td><td class="number"><b>{{ p.new_price | money }}</b></td>
    <td class="number {{ "up" if p.new_price > p.old_price else "down" }}">
      {{ "{:+.0f} %".format(100 * (p.new_price / p.old_price - 1)) }}</td>
    <td>{% if p.rule %}<span class="tag" title="{{ words.get(p.rule, p.rule) }}">{{ p.rule }}</span><br>
      <small>wanted {{ p.wanted | money }}</small>{% else %}<small>none</small>{% endif %}</td>
    <td class="number">{% if p.gain is none %}<small>unknown</small>{% else %}{{ p.gain | money }}{% endif %}</td>
    <td>{{ p.served_by }}<br><small class="id">{{ p.artifact_id[:12] }}</small></td>
    <td>{{ row.made_s | moment }}</td>
    <td>{% if row.decided_by %}{{ row.decided_by }}, {{ row.decided_s | moment }}<br><small>{{ row.reason }}</small>
      {% elif row.follower %}<small>in its place <span class="id">{{ row.follower[:8] }}</span></small>
      {% elif row.reason %}<small>{{ row.reason }}</small>{% endif %}</td></tr>
  {% endfor %}
  </tbody></table></div>
  <nav class="pager" aria-label="Pages">
    {% if view.page > 1 %}<a href="{{ view.address(page=view.page - 1) }}">← Earlier page</a>{% endif %}
    <span>Page {{ view.page }} of {{ pages }}</span>
    {% if view.page < pages %}<a href="{{ view.address(page=view.page + 1) }}">Next page →</a>{% endif %}</nav>
  {% if view.chosen.status == "pending" %}{% if person.role == "approver" %}
  <section class="decide"><label for="reason">Reason (required to reject)</label>
    <input type="text" id="reason" name="reason" value="{{ reason }}" maxlength="2000">
    <label class="all"><input type="checkbox" name="scope" value="all"> every proposal of this view, on all pages
      ({{ "{:,}".format(total) }}), not the ticked ones alone</label>
    <input type="hidden" name="until" value="{{ until }}">
    <div class="buttons"><button class="approve" name="verdict" value="approved">Approve the chosen</button>
      <button class="reject" name="verdict" value="rejected">Reject the chosen</button></div>
    <p class="note">Your name, the time, the reason and both prices go into the audit trail.</p></section>
  {% else %}<p class="note">You may look. To decide takes an approver's token.</p>{% endif %}{% endif %}
</form>
{% endif %}
{% endblock %}"""

_AUDIT = """{% extends "base" %}{% block content %}
{% if problem %}<p class="error" role="alert">The chain is broken: {{ problem }}.</p>
{% else %}<p class="message" role="status">The chain holds: {{ "{:,}".format(total) }} decisions, each sealed with the one before it.
  The last one is <span class="id">{{ head }}</span>.</p>{% endif %}
{% if links %}<div class="scroll"><table>
<thead><tr><th scope="col" class="number">No.</th><th scope="col">When (UTC)</th><th scope="col">Who</th><th scope="col">What</th>
  <th scope="col">Item</th><th scope="col" class="number">Old price</th><th scope="col" class="number">New price</th>
  <th scope="col">Reason</th><th scope="col">Hash</th></tr></thead><tbody>
{% for link in links %}{% set d = link.decision %}
<tr><td class="number">{{ link.number }}</td><td>{{ d.when_s | moment }}</td><td>{{ d.who }}</td><td>{{ d.what }}</td>
  <td>{{ d.item_id }}<br><small>{{ d.market }}</small></td><td class="number">{{ d.old_price | money }}</td>
  <td class="number">{{ d.new_price | money }}</td><td>{{ d.reason }}</td><td class="id">{{ link.hash[:16] }}</td></tr>
{% endfor %}</tbody></table></div>
<nav class="pager" aria-label="Pages">{% if page > 1 %}<a href="/approvals/audit?page={{ page - 1 }}">← Newer</a>{% endif %}
  <span>Page {{ page }} of {{ pages }}</span>
  {% if page < pages %}<a href="/approvals/audit?page={{ page + 1 }}">Older →</a>{% endif %}</nav>{% endif %}
{% endblock %}"""

_CURVE = """{% extends "base" %}{% block content %}
<p>What each price of the ladder would bring in one situation, as the network expects it, and which of them the rules allow.</p>
{% if error %}<p class="error" role="alert">{{ error }}</p>{% endif %}
<form class="filter" method="get" action="{{ form.path }}">
  {% for box in form.boxes %}<div><label for="{{ box.name }}">{{ box.label }}</label>
    {% if box.name == "market" %}<select id="market" name="market">
    {% for each in markets %}<option{% if each == asked.market %} selected{% endif %}>{{ each }}</option>{% endfor %}
    </select>{% else %}<input type="text" id="{{ box.name }}" name="{{ box.name }}" value="{{ asked[box.name] }}"
    size="{{ box.size }}" placeholder="{{ box.example }}">{% endif %}</div>
  {% endfor %}
  <button type="submit">Show</button>
</form>
{% if found %}
{{ found.svg }}
<div class="scroll"><table><thead><tr><th scope="col" class="number">Price</th><th scope="col" class="number">Units now</th>
  <th scope="col" class="number">Worth {{ form.horizon }}</th><th scope="col">Allowed</th></tr></thead><tbody>
{% for price, units, worth, allowed, rule in found.rows %}<tr><td class="number">{{ price | money }}</td>
  <td class="number">{{ units | money }}</td><td class="number">{{ worth | money }}</td>
  <td>{% if allowed %}yes{% else %}no, {{ words.get(rule, rule) }}{% endif %}</td></tr>{% endfor %}
</tbody></table></div>
<p class="message" role="status">Served: <b>{{ found.price | money }}</b>
  {%- if found.rule %}, moved by {{ words.get(found.rule, found.rule) }}{% endif %}.</p>
{% endif %}
{% endblock %}"""

TEMPLATES: Mapping[str, str] = {
    "base": _BASE,
    "message": _MESSAGE,
    "login": _LOGIN,
    "proposals": _PROPOSALS,
    "audit": _AUDIT,
    "curve": _CURVE,
}

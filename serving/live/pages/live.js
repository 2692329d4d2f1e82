"use strict";
// Draws what the server tells: the board whole whenever it changed, places of people several times a second.
const SURE = 0.95, SVG = "http://www.w3.org/2000/svg", LIT_MS = 4000, GLIDE_MS = 400;
const $ = (id) => document.getElementById(id);
const people = new Map();   // visit and person -> {group, x, y, fromX, fromY, toX, toY, since}
const still = window.matchMedia("(prefers-reduced-motion: reduce)");
let floor = null, lastDeed = null, gotDeeds = false;

function made(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) { element.setAttribute(key, value); }
  element.append(...children.filter((child) => child !== null));
  return element;
}

function drawn(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) { element.setAttribute(key, value); }
  element.append(...children);
  return element;
}

const say = (id, text) => { if ($(id).textContent !== text) { $(id).textContent = text; } };
// The last part of a pseudonym; the whole stands in the element's title.
const short = (visit) => `#${(visit.split(/[-_:./]/).pop() || visit).slice(-8)}`;
const percent = (share) => (share >= 0.9995 ? ">99.9 %" : `${(100 * share).toFixed(share >= 0.99 ? 1 : 0)} %`);
// The server looks into the logs that often (_WAIT_S in watch.py): what comes between two looks seems to come at once.
const LOOKS_MS = 40;
const milliseconds = (ms) => (ms < LOOKS_MS ? `<${LOOKS_MS} ms` : `${Math.round(ms)} ms`);
const time = (iso) => (iso ? iso.slice(11, 19) : "");
const counted = (count, one, many) => `${count} ${count === 1 ? one : many}`;

function money(cents, currency) {
  return new Intl.NumberFormat(undefined, { style: "currency", currency: currency || "EUR" }).format(cents / 100);
}

// Colours by the golden angle in the order in which visits are first seen: those who are in together differ.
const seen = new Map();
function colour(visit) {
  if (!seen.has(visit)) {
    if (seen.size > 2000) { seen.clear(); }
    seen.set(visit, seen.size);
  }
  return `hsl(${((210 + seen.get(visit) * 137.5) % 360).toFixed(0)} 65% 45%)`;
}

// The floor.
function drawFloor(plan) {
  const svg = $("floor"), edge = 0.45, deep = plan.depth_m;
  svg.replaceChildren();
  svg.setAttribute("viewBox", `${-edge} ${-edge} ${plan.width_m + 2 * edge} ${deep + 2 * edge + 0.2}`);
  const up = (y) => deep - y;  // y grows into the room, which is drawn with its gates below
  svg.append(drawn("rect", { class: "room", x: 0, y: 0, width: plan.width_m, height: deep }));
  for (const [x0, y0, x1, y1] of plan.walls) {
    svg.append(drawn("line", { class: "wall", x1: x0, y1: up(y0), x2: x1, y2: up(y1) }));
  }
  for (const [name, x] of [["in", plan.entrance_m], ["out", plan.exit_m]]) {
    svg.append(drawn("line", { class: "gate", x1: x - 0.55, y1: deep, x2: x + 0.55, y2: deep }));
    svg.append(drawn("line", { class: "sill", x1: x - 0.55, y1: deep, x2: x + 0.55, y2: deep }));
    const label = drawn("text", { x, y: deep + 0.32, "text-anchor": "middle" });
    label.textContent = name;
    svg.append(label);
  }
  for (const shelf of plan.gondolas) { svg.append(drawShelf(shelf, up)); }
  svg.append(drawn("g", { id: "walkers" }));
  svg.hidden = false;
  svg.removeAttribute("hidden");
  $("no-floor").hidden = true;
}

function drawShelf(shelf, up) {
  // Axes of the gondola on the screen: u to the right of who faces it, d from its front edge to its back.
  const u = [-shelf.to_y, -shelf.to_x], d = [-shelf.to_x, shelf.to_y], at = [shelf.x_m, up(shelf.y_m)];
  const corner = (along, back) => `${at[0] + along * u[0] + back * d[0]},${at[1] + along * u[1] + back * d[1]}`;
  const box = (left, right, front, back) =>
    [[left, front], [right, front], [right, back], [left, back]].map(([a, b]) => corner(a, b)).join(" ");
  const group = drawn("g", {}), half = shelf.width_m / 2;
  const body = drawn("polygon", { class: "shelf", points: box(-half, half, 0, shelf.depth_m) });
  body.dataset.shelf = shelf.name;
  group.append(body);
  const levels = 1 + Math.max(0, ...shelf.lanes.map((lane) => lane.level)), row = shelf.depth_m / levels;
  for (const lane of shelf.lanes) {
    const points = box(lane.left_m, lane.right_m, lane.level * row, (lane.level + 1) * row);
    const part = drawn("polygon", { class: "lane", points });
    part.dataset.shelf = shelf.name;
    part.dataset.product = lane.product;
    const title = drawn("title", {});
    title.textContent = `${shelf.name}: ${floor.names[lane.product] || lane.product}`;
    part.append(title);
    group.append(part);
  }
  return group;
}

function light(deed) {
  const marks = [...document.querySelectorAll("#floor [data-shelf]")].filter((each) => each.dataset.shelf === deed.shelf);
  const lanes = marks.filter((each) => each.dataset.product === deed.product);
  const lit = lanes.length ? lanes : marks.filter((each) => each.dataset.product === undefined);
  const kind = deed.deed === "take" ? "took" : "put";
  for (const each of lit) {
    each.classList.remove("took", "put");
    each.classList.add(kind);
    window.clearTimeout(each.darkens);
    each.darkens = window.setTimeout(() => each.classList.remove(kind), LIT_MS);
  }
}

function movePeople(places) {
  const walkers = $("walkers");
  if (!walkers) { return; }
  const now = performance.now(), here = new Set();
  for (const [visit, person, x, y] of places) {
    const key = `${visit}\n${person}`, known = people.get(key);
    here.add(key);
    if (known) {
      if (known.toX !== x || known.toY !== y) { Object.assign(known, { fromX: known.x, fromY: known.y, toX: x, toY: y, since: now }); }
      continue;
    }
    const label = drawn("text", { y: -0.24 });
    label.textContent = person ? `+${person}` : short(visit);  // those who came along
    const group = drawn("g", { class: "person" }, drawn("circle", { r: 0.16, fill: colour(visit) }), label);
    walkers.append(group);
    people.set(key, { group, x, y, fromX: x, fromY: y, toX: x, toY: y, since: now });
  }
  for (const [key, known] of people) {
    if (!here.has(key)) { known.group.remove(); people.delete(key); }
  }
  say("people", places.length ? counted(places.length, "person", "people") : "");
  say("floor-said", `${counted(places.length, "person is", "people are")} on the floor.`);
}

function glide(now) {
  for (const each of people.values()) {
    const share = still.matches ? 1 : Math.min((now - each.since) / GLIDE_MS, 1);
    each.x = each.fromX + share * (each.toX - each.fromX);
    each.y = each.fromY + share * (each.toY - each.fromY);
    each.group.setAttribute("transform", `translate(${each.x.toFixed(3)} ${(floor.depth_m - each.y).toFixed(3)})`);
  }
  window.requestAnimationFrame(glide);
}

// Lists.
function fill(id, rows, empty) {
  const list = $(id);
  if (list.children.length !== rows.length || rows.some((row, place) => list.children[place] !== row)) { list.replaceChildren(...rows); }
  $(empty).hidden = rows.length > 0;
  const table = $(`${id}-table`);
  if (table) { table.hidden = rows.length === 0; }
}

function card(visit, ...children) {
  const item = made("li", {}, ...children);
  item.style.borderLeftColor = colour(visit);
  return item;
}

function who(visit) {
  return made("span", { class: "who", title: visit }, short(visit));
}

function line(count, what, end) {
  return made("li", {}, made("span", { class: "count" }, `${count} ×`), made("span", { class: "what" }, ...what), made("span", { class: "end" }, end));
}

function visitCard(each) {
  const lines = each.basket.map((held) => {
    const sure = made("span", { class: held.sure >= SURE ? "tag good" : "tag warn", title: "that product and count are right" }, percent(held.sure));
    return line(held.count, [held.name], sure);
  });
  const state = each.left ? made("span", { class: "aside" }, "leaving, being settled") : made("span", { class: "aside" }, `since ${time(each.since)}`);
  const list = lines.length ? made("ul", { class: "lines" }, ...lines) : made("p", { class: "foot" }, "nothing taken yet");
  return card(each.visit, made("p", { class: "head" }, who(each.visit), state), list);
}

function billCard(each) {
  const lines = each.lines.map((part) => {
    const what = [part.name];
    if (part.offers.length) { what.push(" ", made("span", { class: "offer" }, part.offers.join(", "))); }
    return line(part.count, what, money(part.cents, each.currency));
  });
  const proof = each.verified
    ? made("span", { class: "tag good", title: "The receipt proves by the public key alone that the ledger holds it" }, `entry ${each.number} proved`)
    : made("span", { class: "tag bad" }, "receipt does not verify");
  const tax = Object.entries(each.tax_cents).map(([rate, cents]) => `${money(cents, each.currency)} at ${Number(rate) / 100} %`).join(", ");
  const feet = [tax ? `tax ${tax}` : "", ...Object.entries(each.coupons).map(([name, cents]) => `coupon ${name} −${money(cents, each.currency)}`),
    each.latency_ms === null ? "" : `receipt in ${milliseconds(each.latency_ms)}`].filter(Boolean);
  const kind = each.kind === "correction" ? made("span", { class: "tag warn" }, `correction ${each.version}, ${money(each.due_cents, each.currency)}`) : null;
  return card(each.visit,
    made("p", { class: "head" }, who(each.visit), kind, proof, made("span", { class: "end total" }, money(each.total_cents, each.currency))),
    lines.length ? made("ul", { class: "lines" }, ...lines) : made("p", { class: "foot" }, "nothing to pay"),
    each.asked.length ? made("p", { class: "foot" }, made("span", { class: "tag warn" }, "in review"), ` ${each.asked.join(", ")}`) : null,
    feet.length ? made("p", { class: "foot" }, feet.join(" · ")) : null);
}

const CAUSES = { unsure: "not sure enough to charge", late: "told after the bill", "no price": "has no price" };
const reviews = new Map();  // visit and product -> card, kept while it says the same, so that a form is not lost while it is filled in

function reviewCard(each) {
  const key = `${each.visit}\n${each.product}`, told = JSON.stringify(each), known = reviews.get(key);
  if (known && known.told === told) { return known.card; }
  const fresh = newReviewCard(each);
  reviews.set(key, { told, card: fresh });
  return fresh;
}

function field(label, attributes) {
  const input = made("input", { required: "", ...attributes });
  return [made("label", {}, label, input), input];
}

function newReviewCard(each) {
  const [countLabel, count] = field("It took", { type: "number", min: 0, max: 100, value: each.likely });
  const [byLabel, by] = field("Your name", { maxlength: 120, pattern: "[!-~]+", title: "without spaces", autocomplete: "username" });
  const [whyLabel, why] = field("Why", { maxlength: 500, placeholder: "seen on film" });
  const result = made("p", { class: "foot", role: "status" }), button = made("button", { type: "submit" }, "Decide");
  const form = made("form", {}, countLabel, byLabel, whyLabel, button, result);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    const body = { visit: each.visit, product: each.product, count: Number(count.value), by: by.value, reason: why.value };
    try {
      const answer = await fetch("/decide", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
      result.textContent = answer.ok ? "Told to the till: a correction follows." : (await answer.json()).error;
      button.disabled = answer.ok;
    } catch (error) {
      result.textContent = `Not sent: ${error.message}`;
      button.disabled = false;
    }
  });
  return card(each.visit,
    made("p", { class: "head" }, who(each.visit), made("span", { class: "aside" }, CAUSES[each.cause] || each.cause),
      made("span", { class: "end" }, made("span", { class: "tag warn" }, percent(each.sure)))),
    made("ul", { class: "lines" }, line(each.likely, [each.name], "likeliest")),
    made("details", {}, made("summary", {}, "decide"), form));
}

function fillReviews(told) {
  fill("reviews", told.map(reviewCard), "no-reviews");
  const open = new Set(told.map((each) => `${each.visit}\n${each.product}`));
  for (const key of reviews.keys()) { if (!open.has(key)) { reviews.delete(key); } }
}

function deedRow(each) {
  const kind = each.deed === "take" ? "took" : "put";
  const whose = each.visit ? short(each.visit) : each.why ? `nobody's: ${each.why}` : "being placed";
  return made("li", {},
    made("span", {}, made("span", { class: `${kind}-word` }, kind === "took" ? "took" : "put in"), ` ${each.count} × ${each.name}`),
    made("span", { class: each.sure >= SURE ? "tag good" : "tag warn" }, percent(each.sure)),
    made("span", { class: "aside" }, `${time(each.time)} · shelf ${each.shelf} · `, made("span", { title: each.visit || "" }, whose)));
}

function headRow(each) {
  const checked = each.extends === null ? "signed" : `follows ${each.extends}`;
  return made("tr", {}, made("td", { class: "number" }, each.size.toLocaleString()),
    made("td", { class: "id", title: each.root }, each.root.slice(0, 10)), made("td", { class: "when", title: each.when }, time(each.when)),
    made("td", { class: "when" }, made("span", { class: "tag good" }, "✓"), ` ${checked}`));
}

// The shop's clock: the latest moment that anything was told of.
let latest = "";
function tick(iso) {
  if (iso && iso > latest) {
    latest = iso;
    say("clock", `${iso.slice(0, 10)} ${time(iso)}`);
  }
}

function show(board) {
  const figures = board.figures, latency = figures.latency_ms;
  say("shop", board.shop);
  tick(board.time);
  say("note", board.note);
  $("problems").replaceChildren(...board.problems.map((each) => made("p", { class: "error" }, each)));
  say("inside", String(figures.inside));
  say("entered", String(figures.entered));
  say("settled", String(figures.settled));
  say("corrected", figures.corrected ? counted(figures.corrected, "correction", "corrections") : "");
  say("refused", figures.refused ? `${counted(figures.refused, "event", "events")} set aside` : "");
  $("refused").title = board.refusal;
  say("asked", String(figures.reviews));
  say("latency", latency ? milliseconds(latency.p50) : "–");
  say("latencies", latency ? `median; p99 ${milliseconds(latency.p99)}` : "once someone leaves");
  const head = board.heads[0];
  say("size", head ? head.size.toLocaleString() : "0");
  say("signed", head ? `entries, root ${head.root.slice(0, 8)}` : "entries");
  fill("visits", board.visits.map(visitCard), "no-visits");
  fill("bills", board.bills.map(billCard), "no-bills");
  fillReviews(board.reviews);
  fill("deeds", board.deeds.map(deedRow), "no-deeds");
  fill("heads", board.heads.map(headRow), "no-heads");
  if (gotDeeds) { board.deeds.filter((each) => each.number > lastDeed).forEach(light); }
  lastDeed = Math.max(lastDeed || 0, ...board.deeds.map((each) => each.number));
  gotDeeds = true;
  $("no-floor").hidden = board.floor || board.note !== "";
  if (board.floor && !floor) { getFloor(); }
}

let asking = false;
async function getFloor() {
  if (asking) { return; }
  asking = true;
  try {
    const answer = await fetch("/floor.json");
    if (answer.ok) {
      floor = await answer.json();
      drawFloor(floor);
      window.requestAnimationFrame(glide);
    }
  } finally { asking = false; }
}

const stream = new EventSource("/stream");
stream.addEventListener("open", () => { say("link", "live"); $("link").classList.add("on"); });
stream.addEventListener("error", () => { say("link", "no connection: trying again"); $("link").classList.remove("on"); });
stream.addEventListener("board", (event) => show(JSON.parse(event.data)));
stream.addEventListener("places", (event) => {
  const [newest, places] = JSON.parse(event.data);
  tick(newest);
  movePeople(places);
});

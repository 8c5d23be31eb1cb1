// The grid of a wave's cabinets and steps. It knows what stands in #figures, and asks nothing of anybody.
"use strict";

const { language, states, outcomes, steps, spent, kinds, words, texts, cabinets } = JSON.parse(
  document.getElementById("figures").textContent,
);
const cockpit = document.getElementById("cockpit");
const detail = document.getElementById("detail");
const AT_A_TIME = 200; // rows drawn between two frames: the page answers while it fills

const word = (key, values = {}) => words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
const number = new Intl.NumberFormat(language);
const clock = new Intl.DateTimeFormat(language === "en" ? "en-GB" : language, {
  dateStyle: "short", timeStyle: "medium", timeZone: "UTC",
});
const instant = (seconds) => (seconds == null ? "–" : clock.format(seconds * 1000));
const collator = new Intl.Collator(language, { numeric: true, sensitivity: "base" });

function duration(seconds) {
  if (seconds == null) return "–";
  const sizes = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const first = Math.max(0, sizes.findIndex(([, size]) => seconds >= size));
  const from = seconds < 1 ? 3 : first;
  let rest = Math.round(seconds);
  const parts = [];
  for (const [unit, size] of sizes.slice(from, from + 2)) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count || !parts.length) {
      const written = new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: language === "en" ? "narrow" : "short" });
      parts.push(written.format(count));
    }
  }
  return parts.join("\u00a0");
}

/** An element; texts are texts, never markup. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value != null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

// What is told of a cabinet and of its steps

const told = (cabinet, place) => {
  const [state, attempts, began, ended, reason, errorClass, signature] = cabinet.steps[place] || [0, 0];
  const text = (where) => (where == null ? null : texts[where]);
  return { state: states[state], attempts, began, ended, reason: text(reason), errorClass: text(errorClass), signature: text(signature) };
};
const stateWord = (state) => word(state === "underway" ? "grid.underway" : `state.${state}`);
const standing = (cabinet) =>
  word(cabinet.outcome === "none" ? `lifecycle.${cabinet.lifecycle}` : `outcome.${cabinet.outcome}`);
const haystack = (cabinet) =>
  [cabinet.code, cabinet.name, cabinet.owner, cabinet.site, cabinet.reason, cabinet.error_signature, cabinet.next_action, standing(cabinet)]
    .filter(Boolean).join("\n").toLocaleLowerCase(language);
for (const cabinet of cabinets) cabinet.haystack = haystack(cabinet);

const GRAVITY = ["unknown", "failed", "waiting", "underway", "pending", "done"];
const hasSites = cabinets.some((cabinet) => cabinet.site);
const columns = [
  { name: "code", word: "grid.code", of: (cabinet) => cabinet.code },
  { name: "outcome", word: "grid.outcome", of: (cabinet) => outcomes.indexOf(cabinet.outcome) },
  { name: "owner", word: "grid.owner", of: (cabinet) => cabinet.owner ?? "" },
  ...(hasSites ? [{ name: "site", word: "grid.site", of: (cabinet) => cabinet.site ?? "" }] : []),
  ...steps.map((step, place) => ({ name: step, word: `step.${step}`, step: place, of: (cabinet) => GRAVITY.indexOf(told(cabinet, place).state) })),
  { name: "attempts", word: "grid.attempts", of: (cabinet) => cabinet.attempts },
  { name: "reason", word: "grid.reason", of: (cabinet) => cabinet.reason ?? "" },
];
const title = (column) => word(column.word);

// What is shown is what the address says after the #, so that a view can be sent

const wanted = { q: "", outcome: "", owner: "", site: "", sort: "", down: "" };

function readAddress() {
  if (location.hash.length > 1 && !location.hash.includes("=")) return false;
  const said = new URLSearchParams(location.hash.slice(1));
  for (const name of Object.keys(wanted)) wanted[name] = said.get(name) ?? "";
  return true;
}

function writeAddress() {
  const said = new URLSearchParams(Object.entries(wanted).filter(([, value]) => value));
  const hash = `#${said}`;
  if (hash !== (location.hash || "#")) location.replace(said.size ? hash : "#=");
}

function chosen() {
  const words = wanted.q.toLocaleLowerCase(language).split(/\s+/).filter(Boolean);
  const fits = (cabinet) =>
    (!wanted.outcome || cabinet.outcome === wanted.outcome) &&
    (!wanted.owner || cabinet.owner === wanted.owner) &&
    (!wanted.site || cabinet.site === wanted.site) &&
    words.every((one) => cabinet.haystack.includes(one));
  const column = columns.find(({ name }) => name === wanted.sort);
  const rows = cabinets.filter(fits);
  if (!column) return rows;
  const way = wanted.down ? -1 : 1;
  const compare = (a, b) => (typeof a === "number" ? a - b : collator.compare(a, b));
  return rows.sort((a, b) => way * compare(column.of(a), column.of(b)) || collator.compare(a.code, b.code));
}

// The grid

const grid = make("div", {
  role: "grid", id: "cabinets", "aria-label": document.querySelector("#grid h2").textContent,
  class: hasSites ? "sites" : null, "aria-colcount": columns.length,
});
const shown = make("p", { class: "shown", role: "status" });
const nothing = make("p", { class: "nothing", hidden: true }, word("grid.nothing"));
let rows = [];
let drawn = 0;
let here = { row: 0, column: 0 };

function headings() {
  const row = make("div", { role: "row", class: "row headings", "aria-rowindex": 1 });
  for (const column of columns) {
    const sorted = wanted.sort === column.name;
    const button = make("button", { type: "button", title: word("grid.sort", { column: title(column) }) }, make("span", {}, title(column)));
    button.addEventListener("click", () => sortBy(column.name));
    row.append(make("div", {
      role: "columnheader", class: column.step == null ? `c-${column.name}` : "c-step",
      "aria-sort": sorted ? (wanted.down ? "descending" : "ascending") : "none",
    }, button));
  }
  return row;
}

function cell(cabinet, column) {
  const common = { role: "gridcell", tabindex: -1 };
  if (column.step != null) {
    const { state } = told(cabinet, column.step);
    const label = word("grid.at_step", { step: title(column), state: stateWord(state) });
    return make("div", { ...common, class: `c-step s-${state}`, "aria-label": label, title: label });
  }
  switch (column.name) {
    case "code":
      return make("div", { ...common, role: "rowheader", class: "c-code", title: [cabinet.code, cabinet.name].filter(Boolean).join(" ") }, make("bdi", { class: "code" }, cabinet.code), " ", make("bdi", {}, cabinet.name ?? ""));
    case "outcome":
      return make("div", { ...common, class: "c-outcome" }, make("span", { class: `outcome o-${cabinet.outcome}` }, standing(cabinet)));
    case "attempts":
      return make("div", { ...common, class: "c-attempts" }, number.format(cabinet.attempts));
    case "reason":
      return make("div", { ...common, class: "c-reason", lang: "en", title: cabinet.reason }, make("bdi", {}, cabinet.reason ?? ""));
    default:
      return make("div", { ...common, class: `c-${column.name}`, title: cabinet[column.name] }, make("bdi", {}, cabinet[column.name] ?? ""));
  }
}

function drawMore() {
  const some = rows.slice(drawn, drawn + AT_A_TIME);
  const group = make("div", { role: "rowgroup", class: "rows" });
  group.style.setProperty("--rows", some.length);
  some.forEach((cabinet, place) => {
    const index = drawn + place;
    const row = make("div", { role: "row", class: "row", "aria-rowindex": index + 2, "data-code": cabinet.code });
    row.append(...columns.map((column) => cell(cabinet, column)));
    group.append(row);
  });
  grid.append(group);
  drawn += some.length;
}

let drawing = 0;
function draw() {
  cancelAnimationFrame(drawing);
  rows = chosen();
  drawn = 0;
  here = { row: 0, column: 0 };
  grid.replaceChildren(make("div", { role: "rowgroup", class: "top" }, headings()));
  grid.setAttribute("aria-rowcount", rows.length + 1);
  shown.textContent = word("grid.shown", { shown: number.format(rows.length), all: number.format(cabinets.length) });
  nothing.hidden = rows.length > 0;
  const go = () => {
    if (drawn < rows.length) {
      drawMore();
      drawing = requestAnimationFrame(go);
    }
  };
  go();
  grid.querySelector(".rows .row > *")?.setAttribute("tabindex", 0);
}

function sortBy(name) {
  if (wanted.sort !== name) Object.assign(wanted, { sort: name, down: "" });
  else if (!wanted.down) wanted.down = "1";
  else Object.assign(wanted, { sort: "", down: "" });
  show();
  grid.querySelectorAll(".headings button")[columns.findIndex((column) => column.name === name)].focus();
}

function show() {
  writeAddress();
  fill();
  draw();
}

// The filter

const search = make("input", { type: "search", id: "filter", placeholder: word("grid.find"), autocomplete: "off", spellcheck: "false" });
const choices = Object.entries({ outcome: "grid.all_outcomes", owner: "grid.all_owners", site: "grid.all_sites" }).map(([name, everything]) => {
  const all = make("option", { value: "" }, word(everything));
  const values = [...new Set(cabinets.map((cabinet) => cabinet[name]).filter(Boolean))];
  values.sort(name === "outcome" ? (a, b) => outcomes.indexOf(a) - outcomes.indexOf(b) : collator.compare);
  const text = (value) => (name === "outcome" ? word(`outcome.${value}`) : value);
  const select = make("select", { name, "aria-label": word(`grid.${name}`) }, all, ...values.map((value) => make("option", { value }, text(value))));
  select.addEventListener("change", () => { wanted[name] = select.value; show(); });
  return { name, select, values };
});
const clear = make("button", { type: "button", id: "clear" }, word("grid.clear"));

function fill() {
  if (search.value !== wanted.q) search.value = wanted.q;
  for (const { name, select } of choices) select.value = wanted[name];
  clear.hidden = !Object.values(wanted).some(Boolean);
}

search.addEventListener("input", () => { wanted.q = search.value; show(); });
clear.addEventListener("click", () => {
  for (const name of Object.keys(wanted)) wanted[name] = "";
  show();
  search.focus();
});
addEventListener("hashchange", () => {
  const before = JSON.stringify(wanted);
  if (!readAddress() || JSON.stringify(wanted) === before) return;
  fill();
  draw();
  document.getElementById("grid").scrollIntoView();
});

// The keyboard

function goTo(row, column) {
  here = { row: Math.max(0, Math.min(rows.length - 1, row)), column: Math.max(0, Math.min(columns.length - 1, column)) };
  while (drawn <= here.row && drawn < rows.length) drawMore();
  const target = cellAt(here);
  if (!target) return;
  grid.querySelector(".rows [tabindex='0']")?.setAttribute("tabindex", -1);
  target.setAttribute("tabindex", 0);
  target.focus();
}

const cellAt = ({ row, column }) =>
  grid.querySelectorAll(".rows")[Math.floor(row / AT_A_TIME)]?.children[row % AT_A_TIME]?.children[column];

function placeOf(target) {
  const inCell = target.closest("[role='gridcell'], [role='rowheader']");
  const row = inCell?.parentElement;
  return row && { row: row.getAttribute("aria-rowindex") - 2, column: [...row.children].indexOf(inCell) };
}

const MOVES = {
  ArrowUp: ({ row, column }) => [row - 1, column],
  ArrowDown: ({ row, column }) => [row + 1, column],
  ArrowLeft: ({ row, column }) => [row, column - 1],
  ArrowRight: ({ row, column }) => [row, column + 1],
  PageUp: ({ row, column }) => [row - 20, column],
  PageDown: ({ row, column }) => [row + 20, column],
  Home: ({ row }) => [row, 0],
  End: ({ row }) => [row, columns.length - 1],
};

grid.addEventListener("keydown", (event) => {
  const place = placeOf(event.target);
  if (!place || event.altKey || event.metaKey) return;
  if (event.key === "Enter" || event.key === " ") open(place);
  else if (event.ctrlKey && event.key === "Home") goTo(0, 0);
  else if (event.ctrlKey && event.key === "End") goTo(rows.length - 1, columns.length - 1);
  else if (!event.ctrlKey && MOVES[event.key]) goTo(...MOVES[event.key](place));
  else return;
  event.preventDefault();
});
grid.addEventListener("click", (event) => {
  const place = placeOf(event.target);
  if (!place) return;
  goTo(place.row, place.column);
  open(place);
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.matches("input, select, textarea") || detail.open) return;
  event.preventDefault();
  search.focus();
  search.select();
});

// The detail

function facts(pairs) {
  const list = make("dl", { class: "facts" });
  for (const [name, value, inEnglish] of pairs) {
    if (value != null && value !== "") {
      list.append(make("div", {}, make("dt", {}, name), make("dd", { dir: "auto", lang: inEnglish ? "en" : null }, value)));
    }
  }
  return list;
}

function open({ row, column }) {
  const cabinet = rows[row];
  const at = columns[column].step;
  const close = make("button", { type: "button", class: "close", "aria-label": word("grid.close") }, "×");
  close.addEventListener("click", () => detail.close());
  const heads = ["grid.step", "grid.state", "grid.tries", "grid.began", "grid.ended", "grid.took", "grid.reason"];
  const table = make("table", {},
    make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, word(head))))),
    make("tbody", {}, ...steps.map((step, place) => {
      const one = told(cabinet, place);
      const took = one.began == null || one.ended == null ? null : one.ended - one.began;
      const why = [one.reason, one.errorClass && `${word(`class.${one.errorClass}`)} – ${one.signature ?? ""}`].filter(Boolean);
      return make("tr", { class: place === at ? "chosen" : null, "aria-current": place === at ? "true" : null },
        make("th", { scope: "row" }, word(`step.${step}`)),
        make("td", {}, make("span", { class: `mark s-${one.state}`, "aria-hidden": "true" }), ` ${stateWord(one.state)}`),
        make("td", { class: "figure" }, one.attempts ? number.format(one.attempts) : ""),
        make("td", { class: "instant" }, one.began == null ? "" : instant(one.began)),
        make("td", { class: "instant" }, one.ended == null ? "" : instant(one.ended)),
        make("td", { class: "instant" }, took == null ? "" : duration(took)),
        make("td", { lang: "en", dir: "auto" }, why.join(" · ")));
    })));
  const differences = kinds.filter((kind) => cabinet[kind]).map((kind) => `${number.format(cabinet[kind])} ${word(`listed.${kind}`)}`);
  detail.replaceChildren(
    make("header", {},
      make("h2", { id: "detail-title" }, make("bdi", {}, cabinet.code), " ", make("bdi", { class: "quiet" }, cabinet.name ?? "")),
      close),
    make("p", {}, make("span", { class: `outcome o-${cabinet.outcome}` }, standing(cabinet))),
    facts([
      [word("grid.reason"), cabinet.reason, true],
      [word("grid.next"), cabinet.next_action, true],
      [word("grid.error"), cabinet.error_signature && `${word(`class.${cabinet.error_class}`)} – ${cabinet.error_signature}`, true],
      [word("grid.slow"), cabinet.slow, true],
    ]),
    facts([
      [word("grid.owner"), cabinet.owner],
      [word("grid.site"), cabinet.site],
      [word("grid.attempts"), number.format(cabinet.attempts)],
      [word("grid.began"), cabinet.started_at && instant(cabinet.started_at)],
      [word("grid.ended"), cabinet.ended_at && instant(cabinet.ended_at)],
      [word("grid.since"), !cabinet.ended_at && cabinet.since ? instant(cabinet.since) : null],
      [word("grid.size"), cabinet.size && word(`size.${cabinet.size}`)],
      [word("grid.dossiers"), cabinet.dossiers == null ? null : number.format(cabinet.dossiers)],
      [word("grid.spent"), spent.filter((what) => cabinet[what]).map((what) => `${word(`spent.${what}`)} ${duration(cabinet[what])}`).join(" · ")],
      [word("grid.locked_out"), cabinet.locked_out ? duration(cabinet.locked_out) : null],
      [word(cabinet.drift ? "grid.drift" : "grid.differences"), differences.join(" · ")],
    ]),
    make("div", { class: "steps", tabindex: 0, role: "region", "aria-label": word("grid.step") }, table));
  detail.showModal();
  close.focus();
  detail.querySelector(".chosen")?.scrollIntoView({ block: "nearest" });
}
detail.addEventListener("click", (event) => {
  if (event.target === detail) detail.close();
});

// The command, and the clock of whoever reads

const copy = document.getElementById("copy");
if (copy) {
  copy.hidden = false;
  copy.addEventListener("click", async () => {
    const command = document.getElementById("command");
    getSelection().selectAllChildren(command);
    try {
      await navigator.clipboard.writeText(command.textContent);
    } catch {
      document.execCommand("copy"); // a page that was opened from a file may not be given the clipboard
    }
    const before = copy.textContent;
    copy.textContent = copy.dataset.copied;
    setTimeout(() => { copy.textContent = before; }, 2000);
  });
}
const local = new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "long" });
for (const time of document.querySelectorAll("time")) time.title = local.format(new Date(time.dateTime));

// A table that is wider than its place is moved by the arrows, too
function reach() {
  for (const over of document.querySelectorAll(".over")) {
    if (over.scrollWidth > over.clientWidth) over.tabIndex = 0;
    else over.removeAttribute("tabindex");
  }
}
addEventListener("resize", reach);
reach();

addEventListener("beforeprint", () => {
  while (drawn < rows.length) drawMore();
  for (const rest of document.querySelectorAll("details.rest")) rest.open = true;
});

const legend = make("ul", { class: "legend", "aria-label": word("grid.legend") },
  ...["done", "underway", "waiting", "failed", "unknown", "pending"].map((state) =>
    make("li", {}, make("span", { class: `mark s-${state}`, "aria-hidden": "true" }), ` ${stateWord(state)}`)));
cockpit.append(
  make("div", { class: "filters", role: "search" },
    make("label", { for: "filter" }, word("grid.filter")), search,
    ...choices.filter(({ values }) => values.length > 1).map(({ select }) => select), clear, shown),
  make("div", { class: "about" }, legend, make("p", { class: "keys" }, word("grid.keys"))),
  make("div", { class: "scroll" }, grid),
  nothing);
readAddress();
fill();
draw();

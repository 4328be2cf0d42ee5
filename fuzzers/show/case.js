// SPDX-License-Identifier: MIT
//
// case.js: memory over the operations of a case.
"use strict";

const LOOK = DATA.looks;
const NONE = 255; // no order
const RUN = LOOK.findIndex(look => look.key === "run");
const HOLE = LOOK.findIndex(look => look.key === "hole");
const KEYFRAME = 32;
const ROWS_MAX = 96;
const START = DATA.start;
const END = DATA.start + DATA.frames;

// What was recorded: flat lists of numbers, each step the changes since the one before.

function spansOf(list) {
  const spans = [];
  for (let i = 0; i < list.length; i += 3) {
    const [look, order, type, flags, owner] = DATA.cells[list[i + 2]];
    spans.push({pfn: list[i], frames: list[i + 1], look, order, type, flags, owner});
  }
  return spans;
}

const changes = DATA.steps.map(step => spansOf(step.d));
const views = spansOf(DATA.views);

// Frames that the finding names.
const pins = [...new Set(DATA.finding ? DATA.finding.pins : [])]
  .filter(frame => frame >= START && frame < END);
const keyframes = [];

function applyChanges(spans, list) {
  const merged = [];
  let old = 0;
  for (const change of list) {
    while (old < spans.length && spans[old].pfn < change.pfn) merged.push(spans[old++]);
    merged.push(change);
    while (old < spans.length && spans[old].pfn < change.pfn + change.frames) old++;
  }
  while (old < spans.length) merged.push(spans[old++]);
  return merged;
}

const tables = {};
function stateAt(step) {
  let at = Math.floor(step / KEYFRAME);
  while (at > 0 && !keyframes[at]) at--;
  let state = keyframes[at] || {spans: [], counts: new Map(), numbers: [], looks: []};
  let from = keyframes[at] ? at * KEYFRAME + 1 : 0;
  for (let i = from; i <= step; i++) {
    state = nextState(state, i);
    if (i % KEYFRAME === 0) keyframes[i / KEYFRAME] = state;
  }
  return state;
}

function nextState(state, i) {
  const record = DATA.steps[i];
  const counts = new Map(state.counts);
  const numbers = state.numbers.slice();
  const looks = state.looks.slice();
  for (let j = 0; j < record.f.length; j += 5) {
    const [zone, kind, order, model, told] = record.f.slice(j, j + 5);
    counts.set(`${zone}.${kind}.${order}`, {zone, kind, order, model, told});
  }
  for (let j = 0; j < record.n.length; j += 2) numbers[record.n[j]] = record.n[j + 1];
  for (let j = 0; j < record.e.length; j += 2) looks[record.e[j]] = record.e[j + 1];
  return {spans: applyChanges(state.spans, changes[i]), counts, numbers, looks};
}

// Rows: aligned pieces of memory, as large as they can be so that whatever is in them at any time
// has its place; what never changes is one low row, however large.

const borders = (() => {
  const all = new Set([START, END]);
  for (const list of [...changes, views]) {
    for (const span of list) {
      all.add(span.pfn);
      all.add(span.pfn + span.frames);
    }
  }
  return [...all].sort((a, b) => a - b);
})();

function firstBorder(above) { // index of the first border > above
  let low = 0;
  let high = borders.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (borders[middle] > above) high = middle; else low = middle + 1;
  }
  return low;
}

function cutRows(first, size, least, most, rows) {
  const end = Math.min(first + size, END);
  const start = Math.max(first, START);
  if (start >= end) return;
  let inside = firstBorder(start);
  const plain = inside === borders.length || borders[inside] >= end;
  let fits = size <= most;
  for (; fits && size > least && inside < borders.length && borders[inside] < end; inside++) {
    fits = borders[inside] % (size / 64) === 0;
  }
  if (plain || fits || size <= least) {
    rows.push({start, end, base: first, size, plain});
  } else {
    cutRows(first, size / 2, least, most, rows);
    cutRows(first + size / 2, size / 2, least, most, rows);
  }
}

const rows = (() => {
  let narrow = 16; // frames of the shortest rows: few frames are shown large
  while (narrow < 64 && narrow * 20 < END - START) narrow *= 2;
  let whole = narrow;
  while (Math.floor(START / whole) !== Math.floor((END - 1) / whole)) whole *= 2;
  const base = Math.floor(START / whole) * whole;
  let list;
  for (let least = narrow; ; least *= 2) {
    list = [];
    cutRows(base, whole, least, Math.max(least, whole / 32), list);
    if (list.length <= ROWS_MAX || least >= whole) break;
  }
  const joined = [];
  for (const row of list) { // neighbours without a border between them at any time
    const last = joined[joined.length - 1];
    const border = borders[firstBorder(row.start - 1)] === row.start;
    if (last && last.plain && row.plain && !border) {
      last.end = row.end;
    } else {
      joined.push({...row});
    }
  }
  for (const row of joined) {
    if (row.plain) [row.base, row.size] = [row.start, row.end - row.start];
  }
  return joined;
})();

const sizes = new Set(rows.filter(row => !row.plain).map(row => row.size));

// Words

function orderText(span) {
  return span.order === NONE ? "" : `order ${span.order}`;
}

function describe(span) {
  const look = LOOK[span.look];
  const parts = [`${hex(span.pfn)} to ${hex(span.pfn + span.frames - 1)}`,
    `${counted(span.frames)} frame${span.frames === 1 ? "" : "s"} (${bytes(span.frames)})`,
    orderText(span), look.label];
  if (["unmovable", "movable", "reclaimable", "owned"].includes(look.key)) {
    parts.push(`slot ${span.owner}`);
  }
  if (span.look === RUN) parts.push(`run ${span.owner}`);
  if (span.type) parts.push(DATA.types[span.type]);
  if (span.flags & 1) parts.push("others have references");
  if (span.flags & 2) parts.push("has failed frames");
  if (span.flags & 4) parts.push("its owner has dropped it");
  return parts.filter(part => part !== "").join(", ");
}

function labelOf(span, width) {
  const look = LOOK[span.look];
  const order = span.order === NONE ? "" : String(span.order);
  const short = look.letter + order + (span.flags & 2 ? "!" : "");
  const slot = ["unmovable", "movable", "reclaimable", "owned"].includes(look.key)
    ? `${short} #${span.owner}` : short;
  const room = Math.floor((width - 4) / 7.3);
  if (span.type && `${DATA.types[span.type]} ${slot}`.length <= room) {
    return `${DATA.types[span.type]} ${slot}`;
  }
  if (span.look !== HOLE && slot.length <= room && room >= 12) return slot + (
    `${slot} ${look.label}`.length <= room - 4 && width > 240 ? `  ${look.label}` : "");
  return slot.length <= room ? slot : short.length <= room ? short
    : look.letter.length <= room ? look.letter : "";
}

// The map of memory

const map = {width: 0, left: 0, right: 0, shown: [], chosen: null};

function zoneText(zone, frame) {
  const config = DATA.zones[zone];
  return `zone ${zone} from ${hex(frame)}: ${config.class}, node ${config.node}` +
    (config.watermark ? `, keeps ${counted(config.watermark)} frames` : "") +
    (config.later ? ", comes later" : "");
}

const zoneStarts = (() => {
  const starts = [];
  for (const range of DATA.ranges) {
    if (!starts.some(start => start.zone === range.zone)) {
      starts.push({zone: range.zone, frame: range.start});
    }
  }
  return starts;
})();

function layOut() {
  const figure = $("figure");
  const width = Math.max(240, $("map").clientWidth);
  const narrow = width < 480;
  map.width = width;
  map.left = narrow ? 66 : 84;
  map.right = sizes.size > 1 || rows.some(row => row.plain) ? (narrow ? 54 : 66) : 4;
  let y = 4;
  const tall = rows.length <= 10 ? 34 : rows.length <= 24 ? 28 : 22;
  for (const row of rows) {
    const starts = zoneStarts.filter(start => start.frame >= row.start && start.frame < row.end);
    row.headings = starts.map((start, i) => ({y: y + 12 + 18 * i, text: zoneText(start.zone, start.frame)}));
    y += 18 * starts.length + (starts.length > 0 ? 4 : 0);
    row.y = y;
    row.height = row.plain ? 20 : tall;
    row.told = views.some(span => span.pfn < row.end && span.pfn + span.frames > row.start);
    row.room = row.told ? 22 : 0;
    row.key = null;
    y += row.height + row.room + 5;
  }
  const drawing = svg("svg", {height: y, width, viewBox: `0 0 ${width} ${y}`, role: "img",
    "aria-label": "Memory: a row for each stretch of frames, a box for each block"});
  for (const row of rows) {
    for (const heading of row.headings) {
      drawing.append(svg("text", {x: 0, y: heading.y, class: "zone"}, heading.text));
    }
    row.group = svg("g", {});
    drawing.append(row.group);
  }
  $("map").replaceChildren(drawing);
  return figure;
}

function xOf(row, frame) {
  return map.left + (frame - row.base) / row.size * (map.width - map.left - map.right);
}

// Spans too small to be seen one by one: columns that say how much of each there is.
function drawMixed(row, pieces, group) {
  const columns = new Map();
  for (const {span, from, to} of pieces) {
    const column = Math.floor((xOf(row, from) - map.left) / 5);
    if (!columns.has(column)) columns.set(column, {frames: new Map(), first: new Map()});
    const {frames, first} = columns.get(column);
    frames.set(span.look, (frames.get(span.look) || 0) + to - from);
    if (from === span.pfn) first.set(span.look, (first.get(span.look) || 0) + 1);
  }
  for (const [column, {frames, first}] of columns) {
    const all = [...frames.values()].reduce((a, b) => a + b, 0);
    let y = row.y;
    for (const [look, part] of [...frames].sort((a, b) => a[0] - b[0])) {
      const height = row.height * part / all;
      const box = svg("rect", {x: map.left + 5 * column, y, width: 5, height, class: "cell mixed",
        style: `fill:var(--look-${LOOK[look].key});stroke:none`, "data-look": look,
        "data-blocks": first.get(look) || 0});
      box.append(svg("title", {}, `${counted(part)} frames ${LOOK[look].label}`));
      group.append(box);
      y += height;
    }
  }
}

function drawSpan(row, span, from, to, group, y, height, counts) {
  const look = LOOK[span.look];
  const x = xOf(row, from);
  const width = Math.max(2, xOf(row, to) - x - 1);
  const boxes = drawBox(look, x, y, width, height, {"data-look": span.look,
    "data-blocks": counts && from === span.pfn ? 1 : 0});
  boxes[0].append(svg("title", {}, describe(span)));
  boxes[0].addEventListener("click", () => choose(span));
  group.append(...boxes);
  const label = counts || span.look !== HOLE ? labelOf(span, width) : width > 90 ? "no memory" : "";
  if (label !== "") {
    group.append(svg("text", {x: x + width / 2, y: y + height / 2 + 0.5, class: "label",
      style: height < 16 ? "font-size:10px" : null}, label));
  }
}

function outline(row, from, to, name, group) {
  const x = xOf(row, from);
  group.append(svg("rect", {x: x - 0.5, y: row.y - 1, width: Math.max(3, xOf(row, to) - x),
    height: row.height + 2, class: name}));
}

function drawRow(row, state, step) {
  const group = row.group;
  const inside = span => span.pfn < row.end && span.pfn + span.frames > row.start;
  const pieces = state.spans.filter(inside).map(span => ({span,
    from: Math.max(span.pfn, row.start), to: Math.min(span.pfn + span.frames, row.end)}));
  const changed = step === 0 ? [] : changes[step].filter(inside);
  const told = isWrong(step) ? views.filter(inside) : [];
  const pinned = isWrong(step) ? pins.filter(pin => pin >= row.start && pin < row.end) : [];
  const chosen = map.chosen !== null && inside({pfn: map.chosen, frames: 1});
  const key = [map.width, pieces.map(({span}) => Object.values(span).join(",")).join(";"),
    changed.map(span => span.pfn), told.length, pinned, chosen && map.chosen].join("|");
  if (key === row.key) return;
  row.key = key;
  group.replaceChildren();
  const mid = row.y + row.height / 2;
  const block = row.start % DATA.pageblock === 0;
  group.append(svg("text", {x: 0, y: mid, class: block ? "address start" : "address"},
    hex(row.start)));
  if (map.right > 10) {
    group.append(svg("text", {x: map.width, y: mid, class: "address", "text-anchor": "end"},
      bytes(row.plain ? row.end - row.start : row.size)));
  }
  const scale = (map.width - map.left - map.right) / row.size;
  const small = pieces.filter(piece => (piece.to - piece.from) * scale < 3);
  drawMixed(row, small, group);
  for (const piece of pieces) {
    if ((piece.to - piece.from) * scale >= 3) {
      drawSpan(row, piece.span, piece.from, piece.to, group, row.y, row.height, true);
    }
  }
  drawMarks(row, changed, told, pinned, chosen, group);
}

function drawMarks(row, changed, told, pinned, chosen, group) {
  const clip = span => [Math.max(span.pfn, row.start), Math.min(span.pfn + span.frames, row.end)];
  for (const start of zoneStarts) {
    if (start.frame > row.start && start.frame < row.end) {
      const x = xOf(row, start.frame) - 0.5;
      group.append(svg("line", {x1: x, x2: x, y1: row.y - 3, y2: row.y + row.height + 3,
        class: "border"}));
    }
  }
  for (const span of changed) outline(row, ...clip(span), "changed", group);
  for (const span of told) {
    const [from, to] = clip(span);
    outline(row, from, to, "wrong", group);
    drawSpan(row, span, from, to, group, row.y + row.height + 4, 16, false);
    group.append(svg("line", {x1: xOf(row, from), x2: xOf(row, to) - 1,
      y1: row.y + row.height + 21, y2: row.y + row.height + 21, class: "under"}));
  }
  if (told.length > 0) {
    group.append(svg("text", {x: 0, y: row.y + row.height + 12, class: "told"},
      map.left < 80 ? "allocator" : "allocator says"));
  }
  for (const pin of pinned) {
    const x = (xOf(row, pin) + xOf(row, pin + 1)) / 2;
    group.append(svg("path", {class: "pin", "data-frame": pin,
      d: `M${x} ${row.y + 6}l-6 -10h12z`}));
  }
  if (chosen) {
    const span = current.spans.find(one => map.chosen - one.pfn < one.frames && map.chosen >= one.pfn);
    outline(row, ...clip(span), "chosen", group);
  }
}

function choose(span) {
  map.chosen = map.chosen === span.pfn ? null : span.pfn;
  drawMap(stepper.step);
}

function drawMap(step) {
  for (const row of rows) drawRow(row, current, step);
  const span = map.chosen === null ? null
    : current.spans.find(one => map.chosen >= one.pfn && map.chosen < one.pfn + one.frames);
  $("detail").textContent = span ? describe(span) : "Choose a block to see what it is.";
  $("legend").replaceChildren(...LOOK.map((look, i) => [look, current.looks[i] || 0, i])
    .filter(([, , i]) => used.has(i)).map(([look, count]) => legendItem(look, count)));
}

const used = new Set(DATA.cells.map(cell => cell[0]));

// Free lists and numbers

const CLASSES = ["free", "not accepted", "CMA"];

function drawCounts(step) {
  const columns = new Map();
  for (const entry of tables.all) columns.set(`${entry.zone}.${entry.kind}`, entry);
  const heads = [...columns.values()].sort((a, b) => a.zone - b.zone || a.kind - b.kind);
  const orders = [...new Set(tables.all.map(entry => entry.order))].sort((a, b) => a - b);
  const touched = new Set();
  const record = DATA.steps[step];
  for (let j = 0; step > 0 && j < record.f.length; j += 5) {
    touched.add(record.f.slice(j, j + 3).join("."));
  }
  const body = orders.map(order => el("tr", {}, el("th", {scope: "row"}, `order ${order}`),
    ...heads.map(head => {
      const key = `${head.zone}.${head.kind}.${order}`;
      const entry = current.counts.get(key) || {model: 0, told: 0};
      if (DATA.counted && entry.model !== entry.told) {
        return el("td", {class: "differs", "data-blocks": entry.model, "data-order": order},
          `allocator ${counted(entry.told)}, model ${counted(entry.model)}`);
      }
      return el("td", {class: entry.model === 0 ? "zero" : touched.has(key) ? "moved" : null,
        "data-blocks": entry.model, "data-order": order}, counted(entry.model));
    })));
  $("counts").replaceChildren(el("table", {},
    el("thead", {}, el("tr", {}, el("td", {}), ...heads.map(head => el("th", {scope: "col"},
      `zone ${head.zone}`, el("br"), CLASSES[head.kind])))),
    el("tbody", {}, ...body)));
}

function drawNumbers() {
  const live = DATA.numbers.indexOf("descriptors in use");
  const due = live + 1;
  const lines = DATA.numbers.map((name, i) => [name, i]).filter(([, i]) => i < live)
    .map(([name, i]) => el("tr", {}, el("th", {scope: "row"}, name), el("td", {}),
      el("td", {}, counted(current.numbers[i] || 0))));
  const differs = DATA.counted && current.numbers[live] !== current.numbers[due];
  $("numbers").replaceChildren(el("table", {class: "numbers"},
    el("thead", {}, el("tr", {}, el("td", {}), el("th", {scope: "col"}, "allocator"),
      el("th", {scope: "col"}, "model"))),
    el("tbody", {}, DATA.counted ? el("tr", {class: differs ? "differs" : null},
      el("th", {scope: "row"}, "descriptors in use"), el("td", {}, counted(current.numbers[live] || 0)),
      el("td", {}, counted(current.numbers[due] || 0))) : null, ...lines)));
}

// Operations

const wrongStep = DATA.finding ? DATA.steps.length - 1 : -1;
const isWrong = step => step === wrongStep;
const FAULTS = DATA.numbers.indexOf("faults that struck");

// Where there are many operations, not each has a step.
const isThinned = DATA.steps[DATA.steps.length - 1].o >= DATA.steps.length;

function stepText(step) {
  const record = DATA.steps[step];
  if (record.o === 0) return "after the boot";
  if (record.o > DATA.ops) return "after the end: all that was left has been freed";
  return record.t;
}

function makeOps() {
  const list = el("ol", {class: "ops", "aria-label": "Operations"});
  DATA.steps.forEach((record, i) => {
    const index = record.o === 0 ? "boot" : record.o > DATA.ops ? "end" : String(record.o - 1);
    const button = el("button", {type: "button", class: isWrong(i) ? "violating" : null},
      el("span", {class: "index"}, index), el("span", {}, stepText(i)));
    button.addEventListener("click", () => { stepper.play(false); stepper.go(i); });
    list.append(el("li", {}, button));
  });
  return list;
}

function drawNow(step) {
  const record = DATA.steps[step];
  const number = record.o > 0 && record.o <= DATA.ops ? `op ${record.o - 1}: ` : "";
  const parts = [number + stepText(step)];
  if (record.t && record.t.includes("fault=")) {
    const struck = current.numbers[FAULTS];
    parts.push(" ", el("span", {class: "chip"}, struck > 0 ? `⚡ fault struck ${struck} time${struck > 1 ? "s" : ""}`
      : "⚡ fault armed, not reached"));
  }
  if (isWrong(step)) parts.push(" ", el("span", {class: "chip bad"}, `✕ ${DATA.finding.name}`));
  $("now").replaceChildren(...parts);
  const buttons = $("ops").querySelectorAll("button");
  for (const old of $("ops").querySelectorAll("[aria-current]")) old.removeAttribute("aria-current");
  buttons[step].setAttribute("aria-current", "step");
  reveal($("ops").firstChild, buttons[step].parentNode);
}

let current = null;

function draw(step) {
  current = stateAt(step);
  drawMap(step);
  if (tables.all.length > 0) drawCounts(step);
  drawNumbers();
  drawNow(step);
}

// Each frame that the finding names has its mark, in the row of its address.
function checkPins(complain) {
  const due = [...pins].sort((a, b) => a - b);
  const drawn = [...document.querySelectorAll("#map .pin")];
  const frames = drawn.map(pin => +pin.dataset.frame).sort((a, b) => a - b);
  if (frames.join() !== due.join()) complain(`marked frames: ${frames}; due: ${due}`);
  for (const pin of drawn) {
    const address = parseInt(pin.parentNode.querySelector(".address").textContent, 16);
    const row = rows.find(one => one.start === address);
    const frame = +pin.dataset.frame;
    const box = pin.getBBox();
    const middle = box.x + box.width / 2;
    if (!row || middle < xOf(row, frame) - 1 || middle > xOf(row, frame + 1) + 1) {
      complain(`the mark of frame ${hex(frame)} is elsewhere`);
    }
  }
}

function check(step, complain) {
  const drawn = LOOK.map(() => 0);
  for (const box of document.querySelectorAll("#map rect[data-look]")) {
    drawn[+box.dataset.look] += +box.dataset.blocks;
  }
  LOOK.forEach((look, i) => {
    const due = current.looks[i] || 0;
    if (drawn[i] !== due) complain(`${drawn[i]} of ${due} drawn of: ${look.label}`);
  });
  let free = 0;
  for (const cell of document.querySelectorAll("#counts td[data-blocks]")) {
    free += +cell.dataset.blocks * 2 ** +cell.dataset.order;
  }
  if (free !== current.numbers[0]) complain(`${free} of ${current.numbers[0]} free frames in lists`);
  const marked = $("ops").querySelectorAll("[aria-current]");
  if (marked.length !== 1 || [...$("ops").querySelectorAll("button")].indexOf(marked[0]) !== step) {
    complain("the operation is not marked");
  }
  if (isWrong(step) && !$("now").querySelector(".chip.bad")) complain("the violation is not marked");
  if (isWrong(step)) checkPins(complain);
}

function start() {
  addLooks(LOOK);
  $("title").textContent = DATA.file;
  $("subtitle").textContent = `on ${DATA.subject}: ${counted(DATA.ops)} operations, ` +
    `${counted(DATA.frames)} frames (${bytes(DATA.frames)}), page blocks of ${counted(DATA.pageblock)}` +
    (isThinned ? `; ${counted(DATA.steps.length)} steps are shown` : "");
  showVerdict(DATA.finding, "Show that step", () => stepper.go(wrongStep));
  $("figure").append(el("h2", {}, "Memory ",
    el("small", {}, "letter and order of each block, # its slot; outlined: changed by this step")),
  el("div", {id: "map"}), el("p", {id: "detail", "aria-live": "polite"}),
  el("ul", {id: "legend", class: "legend", "aria-label": "Legend, with the number of each"}));
  tables.all = [...DATA.steps.reduce((all, record) => {
    for (let j = 0; j < record.f.length; j += 5) {
      const [zone, kind, order] = record.f.slice(j, j + 3);
      all.set(`${zone}.${kind}.${order}`, {zone, kind, order});
    }
    return all;
  }, new Map()).values()];
  $("side").append(el("section", {class: "panel"}, el("h2", {}, "Operations"),
    el("div", {id: "ops"}, makeOps())));
  // Beside a high map, below a low one.
  $(rows.length > 14 ? "side" : "below").append(
    el("section", {class: "panel"}, el("h2", {}, "Free lists ",
      el("small", {}, DATA.counted ? "blocks; the allocator's counts are as the model's unless marked"
        : "blocks, by the model")),
    el("div", {id: "counts", class: "scroll"})),
    el("section", {class: "panel"}, el("h2", {}, "Descriptors and frames"), el("div", {id: "numbers", class: "scroll"})));
  const ticks = DATA.steps.map((record, i) => ({step: i, bad: isWrong(i),
    fault: record.t && record.t.includes("fault=")})).filter(tick => tick.bad || tick.fault);
  stepper.start(DATA.steps.length, draw, ticks);
  layOut();
  new ResizeObserver(() => {
    if ($("map").clientWidth !== map.width) {
      layOut();
      drawMap(stepper.step);
    }
  }).observe($("map"));
  begin(DATA.finding ? wrongStep : Math.min(1, DATA.steps.length - 1), check);
}

start();

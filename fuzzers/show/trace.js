// SPDX-License-Identifier: MIT
//
// trace.js: occupancy of memory, and how it is cut up, over the events of a kernel's trace.
"use strict";

const LOOK = DATA.looks;
const SAMPLES = DATA.samples;
const IN_USE = ["unmovable", "movable", "reclaimable", "slab"]
  .map(key => LOOK.findIndex(look => look.key === key));
const DASHES = ["none", "7 3", "2 3", "9 3 2 3"];
const LEFT = 92;

const colourOf = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function rgb(colour) {
  return [1, 3, 5].map(i => parseInt(colour.slice(i, i + 2), 16));
}

function blend(from, to, part) {
  return `rgb(${from.map((value, i) => Math.round(value + (to[i] - value) * part)).join(",")})`;
}

// A grid of cells, a column for each sample, with a cursor over it that marks the present one.
class Grid {
  constructor(id, rows, height, name, labelOf, colourAt, textAt) {
    Object.assign(this, {rows, height, labelOf, colourAt, textAt, cells: 0});
    this.canvas = el("canvas", {role: "img", "aria-label": name});
    this.over = svg("svg", {class: "over", "aria-hidden": "true"});
    $(id).append(el("div", {class: "grid"}, this.canvas, this.over));
    this.canvas.addEventListener("click", event => {
      const part = (event.offsetX - LEFT) / (this.canvas.clientWidth - LEFT);
      stepper.play(false);
      stepper.go(Math.floor(part * SAMPLES.length));
    });
    this.canvas.addEventListener("mousemove", event => {
      const part = (event.offsetX - LEFT) / (this.canvas.clientWidth - LEFT);
      const sample = Math.floor(part * SAMPLES.length);
      const row = Math.floor(event.offsetY / this.height);
      this.canvas.title = part >= 0 && SAMPLES[sample] && row < rows ? textAt(sample, row) : "";
    });
  }

  paint() {
    const scale = window.devicePixelRatio || 1;
    const width = this.canvas.parentNode.clientWidth;
    const height = this.rows * this.height;
    this.canvas.width = width * scale;
    this.canvas.height = height * scale;
    this.canvas.style.height = `${height}px`;
    fill(this.over, {width, height, viewBox: `0 0 ${width} ${height}`}, []);
    const context = this.canvas.getContext("2d",
      {willReadFrequently: location.hash === "#selftest"});
    context.scale(scale, scale);
    this.cells = 0;
    const wide = (width - LEFT) / SAMPLES.length;
    const snap = x => Math.round(x * scale) / scale; // between two pixels, so that no seams are seen
    for (let row = 0; row < this.rows; row++) {
      for (let sample = 0; sample < SAMPLES.length; sample++) {
        context.fillStyle = this.colourAt(sample, row);
        const left = snap(LEFT + sample * wide);
        context.fillRect(left, row * this.height, snap(LEFT + (sample + 1) * wide) - left,
          this.height - (this.height > 6 ? 1 : 0));
        this.cells++;
      }
    }
    context.font = "11.5px " + colourOf("--mono");
    context.fillStyle = colourOf("--soft");
    context.textBaseline = "middle";
    const every = Math.ceil(14 / this.height);
    for (let row = 0; row < this.rows; row += every) {
      context.fillText(this.labelOf(row), 0, Math.max(6, (row + 0.5) * this.height));
    }
  }

  mark(sample) {
    const width = this.canvas.parentNode.clientWidth;
    const wide = (width - LEFT) / SAMPLES.length;
    this.over.replaceChildren(svg("rect", {x: LEFT + sample * wide - 1.5, y: 0, class: "cursor",
      width: Math.max(3, wide + 2), height: this.rows * this.height}));
  }
}

let theme = null; // colours as numbers, read once a theme

function readTheme() {
  theme = {free: rgb(colourOf("--look-free")), panel: rgb(colourOf("--panel")),
    accent: rgb(colourOf("--accent")), look: LOOK.map(look => rgb(colourOf("--look-" + look.key))),
    ink: rgb(colourOf("--ink"))};
}

// Of a row, a half that is used looks half as strong; what most of it is used for gives the hue.
function occupancyColour(sample, row) {
  const used = SAMPLES[sample].used[2 * row];
  if (used === 0) return blend(theme.free, theme.free, 0);
  const part = used / DATA.rows[row][2];
  const hue = theme.look[SAMPLES[sample].used[2 * row + 1]];
  return blend(blendNumbers(theme.free, hue, 0.35 + 0.65 * part), theme.ink, 0.1 * part);
}

const blendNumbers = (from, to, part) => from.map((value, i) => value + (to[i] - value) * part);

function occupancyText(sample, row) {
  const [start, end, frames] = DATA.rows[row];
  const used = SAMPLES[sample].used[2 * row];
  return `${hex(start)} to ${hex(end - 1)}: ${counted(used)} of ${counted(frames)} frames in use` +
    (used > 0 ? `, mostly ${LOOK[SAMPLES[sample].used[2 * row + 1]].label}` : "") +
    `, after ${counted(SAMPLES[sample].events)} events`;
}

const freeMost = Math.max(1, ...SAMPLES.flatMap(sample => sample.free));

function freeColour(sample, row) {
  const blocks = SAMPLES[sample].free[row];
  if (blocks === 0) return blend(theme.panel, theme.panel, 0);
  return blend(theme.panel, theme.accent, 0.15 + 0.85 * Math.log2(1 + blocks) / Math.log2(1 + freeMost));
}

// Frames in use, by what they are used for, as lines that differ in dashes, too.
function drawLines() {
  const width = $("lines").clientWidth;
  const height = 150;
  const most = Math.max(1, ...SAMPLES.flatMap(sample => IN_USE.map(look => sample.of[look])));
  const x = i => LEFT + (i + 0.5) * (width - LEFT) / SAMPLES.length;
  const y = value => height - 8 - value / most * (height - 20);
  const drawing = svg("svg", {width, height, viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": "Frames in use by type, over the events"});
  for (const value of [0, most / 2, most]) {
    drawing.append(svg("line", {x1: LEFT, x2: width, y1: y(value), y2: y(value), class: "rule"}),
      svg("text", {x: 0, y: y(value), class: "address"}, bytes(Math.round(value))));
  }
  IN_USE.forEach((look, i) => {
    const points = SAMPLES.map((sample, j) => `${x(j).toFixed(1)},${y(sample.of[look]).toFixed(1)}`);
    drawing.append(svg("polyline", {points: points.join(" "), class: "line",
      style: `stroke:color-mix(in srgb, var(--look-${LOOK[look].key}) 55%, var(--ink))`,
      "stroke-dasharray": DASHES[i]}));
  });
  drawing.append(svg("line", {id: "cursor", y1: 0, y2: height, class: "now"}));
  $("lines").replaceChildren(drawing);
}

const grids = [];

function paintAll() {
  readTheme();
  grids.forEach(grid => grid.paint());
  drawLines();
}

function drawUse(sample) {
  const used = SAMPLES[sample].of;
  $("use").replaceChildren(el("table", {}, el("thead", {}, el("tr", {}, el("td", {}),
    el("th", {scope: "col"}, "frames"), el("th", {scope: "col"}, "memory"))),
  el("tbody", {}, ...LOOK.map((look, i) => [look, used[i], IN_USE.indexOf(i)])
    .filter(([look, frames]) => frames > 0 && look.key !== "hole")
    .map(([look, frames, line]) => el("tr", {}, el("th", {scope: "row"},
      look.label + " ",
      line < 0 ? null : svg("svg", {width: 34, height: 8, "aria-hidden": "true"},
        svg("line", {x1: 6, x2: 34, y1: 4, y2: 4, class: "line", "stroke-dasharray": DASHES[line],
          style: `stroke:color-mix(in srgb, var(--look-${look.key}) 55%, var(--ink))`}))),
    el("td", {}, counted(frames)), el("td", {}, bytes(frames)))))));
}

function drawFree(sample) {
  const free = SAMPLES[sample].free;
  const all = free.reduce((sum, blocks, order) => sum + blocks * 2 ** order, 0);
  let below = 0;
  const lines = free.map((blocks, order) => {
    const line = el("tr", {}, el("th", {scope: "row"}, `order ${order}`),
      el("td", {class: blocks === 0 ? "zero" : null, "data-blocks": blocks}, counted(blocks)),
      el("td", {}, all === 0 ? "" : (100 * below / all).toFixed(2) + " %"));
    below += blocks * 2 ** order;
    return line;
  });
  $("free").replaceChildren(el("table", {}, el("thead", {}, el("tr", {}, el("td", {}),
    el("th", {scope: "col"}, "free blocks"), el("th", {scope: "col"}, "free, but in smaller ones"))),
  el("tbody", {}, ...lines)));
}

function draw(sample) {
  grids.forEach(grid => grid.mark(sample));
  const width = $("lines").clientWidth;
  const at = LEFT + (sample + 0.5) * (width - LEFT) / SAMPLES.length;
  fill($("cursor"), {x1: at, x2: at}, []);
  const {events, of} = SAMPLES[sample];
  const used = IN_USE.reduce((sum, look) => sum + of[look], 0);
  $("now").textContent = `after ${counted(events)} of ${counted(DATA.events)} operations: ` +
    `${counted(used)} frames (${bytes(used)}) in use`;
  drawUse(sample);
  drawFree(sample);
}

function check(sample, complain) {
  const {used, free, of} = SAMPLES[sample];
  const due = LOOK.reduce((sum, look, i) => sum + (["free", "kept", "cma", "unaccepted", "boot",
    "hole"].includes(look.key) ? 0 : of[i]), 0);
  const told = used.filter((_, i) => i % 2 === 0).reduce((a, b) => a + b, 0);
  if (told !== due) complain(`rows have ${told} frames in use, of ${due}`);
  const listed = [...document.querySelectorAll("#free td[data-blocks]")].map(cell => +cell.dataset.blocks);
  if (listed.join() !== free.join()) complain("the table does not have the free blocks");
  for (const grid of grids) {
    if (grid.cells !== grid.rows * SAMPLES.length) complain("not all cells are painted");
    const scale = window.devicePixelRatio || 1;
    const wide = (grid.canvas.clientWidth - LEFT) / SAMPLES.length;
    const row = sample % grid.rows;
    const due = grid.colourAt(sample, row).match(/\d+/g).map(Number);
    const pixel = grid.canvas.getContext("2d").getImageData((LEFT + (sample + 0.5) * wide) * scale,
      (row + 0.4) * grid.height * scale, 1, 1).data;
    if (wide > 2.5 && due.some((value, i) => Math.abs(value - pixel[i]) > 3)) {
      complain(`row ${row} is painted ${pixel.slice(0, 3)}, not ${due}`);
    }
  }
}

function start() {
  addLooks(LOOK);
  $("title").textContent = DATA.file;
  $("subtitle").textContent = `on ${DATA.subject}: ${counted(DATA.events)} operations on ` +
    `${counted(DATA.frames)} frames (${bytes(DATA.frames)})`;
  showVerdict(DATA.finding);
  const shades = ["unmovable", "movable", "reclaimable", "slab", "free"]
    .map(key => LOOK.find(look => look.key === key));
  $("figure").append(
    el("h2", {}, "Occupancy ", el("small", {}, "a line for each page block that was ever in use, or " +
      "for some in a row; stronger: more of it is in use; from left to right: the trace")),
    el("div", {id: "occupancy"}),
    el("ul", {class: "legend", "aria-label": "Legend"}, ...shades.map(look => el("li", {},
      svg("svg", {viewBox: "0 0 26 18", "aria-hidden": "true"},
        svg("rect", {x: 0.5, y: 0.5, width: 25, height: 17, class: "cell",
          style: `fill:var(--look-${look.key})`})),
      look.key === "free" ? "free" : "mostly " + look.label.replace("in use, ", "")))),
    el("h2", {class: "next"}, "Frames in use ", el("small", {}, "by type: as the lines in the table")),
    el("div", {id: "lines"}),
    el("h2", {class: "next"}, "Fragmentation ", el("small", {}, "free blocks of each order; stronger: more of them")),
    el("div", {id: "orders"}));
  $("side").append(
    el("section", {class: "panel"}, el("h2", {}, "Memory now"), el("div", {id: "use", class: "scroll"})),
    el("section", {class: "panel"}, el("h2", {}, "Free blocks now"), el("div", {id: "free", class: "scroll"})));
  const tall = Math.max(4, Math.min(16, Math.floor(420 / Math.max(1, DATA.rows.length))));
  grids.push(new Grid("occupancy", DATA.rows.length, tall, "Occupancy of page blocks over the events",
    row => hex(DATA.rows[row][0]), occupancyColour, occupancyText));
  grids.push(new Grid("orders", SAMPLES[0].free.length, 14, "Free blocks by order over the events",
    row => `order ${row}`, freeColour, (sample, row) =>
      `${counted(SAMPLES[sample].free[row])} free blocks of order ${row}, after ` +
      `${counted(SAMPLES[sample].events)} events`));
  stepper.start(SAMPLES.length, draw, DATA.finding ? [{step: SAMPLES.length - 1, bad: true}] : []);
  paintAll();
  let width = $("lines").clientWidth;
  const again = () => { paintAll(); draw(stepper.step); };
  new ResizeObserver(() => {
    if ($("lines").clientWidth !== width) {
      width = $("lines").clientWidth;
      again();
    }
  }).observe($("lines"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  begin(SAMPLES.length - 1, check);
}

start();

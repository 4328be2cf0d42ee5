// SPDX-License-Identifier: MIT
//
// common.js: what all pages share: elements, the stepper, and the test of the page itself, which
// runs where the address ends in #selftest and leaves its result in <html data-selftest>.
"use strict";

const DATA = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";
const $ = id => document.getElementById(id);

const errors = [];
window.addEventListener("error", event => errors.push(event.message));

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  for (const child of children) {
    if (child !== null && child !== undefined) node.append(child);
  }
  return node;
}

const el = (name, attributes, ...children) =>
  fill(document.createElement(name), attributes, children);
const svg = (name, attributes, ...children) =>
  fill(document.createElementNS(SVG, name), attributes, children);

const hex = number => "0x" + number.toString(16);
const counted = number => number.toLocaleString("en");

// Frames of 4 KiB as bytes.
function bytes(frames) {
  const units = ["KiB", "MiB", "GiB", "TiB", "PiB"];
  let size = frames * 4;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit++;
  }
  return (Number.isInteger(size) ? size : size.toFixed(1)) + " " + units[unit];
}

// Looks: colours as custom properties, hatches as patterns of one hidden drawing.

function addLooks(looks) {
  const rules = theme => looks.map(look => `--look-${look.key}:${look[theme]};`).join("");
  document.head.append(el("style", {}, `:root{${rules("light")}}
@media (prefers-color-scheme: dark){:root{${rules("dark")}}}`));
  const paths = {
    slash: "M-1 1L1 -1M0 6L6 0M5 7L7 5",
    back: "M-1 5L1 7M0 0L6 6M5 -1L7 1",
    cross: "M0 6L6 0M0 0L6 6",
    dots: "M1 1h1.4v1.4h-1.4zM4 4h1.4v1.4h-1.4z",
    hole: "M-1 1L1 -1M0 6L6 0M5 7L7 5",
  };
  const patterns = Object.entries(paths).map(([key, path]) => svg("pattern",
    {id: "hatch-" + key, width: 6, height: 6, patternUnits: "userSpaceOnUse"},
    svg("path", key === "dots" ? {d: path, style: "fill:var(--hatch)"}
      : {d: path, style: "fill:none;stroke:var(--hatch);stroke-width:1.2"})));
  document.body.append(svg("svg", {width: 0, height: 0, style: "position:absolute",
    "aria-hidden": "true"}, svg("defs", {}, ...patterns)));
}

// A box that looks as it should: colour, hatch, and its letter where it has room.
function drawBox(look, x, y, width, height, attributes) {
  const box = svg("rect", {x, y, width, height, class: "cell",
    style: `fill:var(--look-${look.key})`, ...attributes});
  if (look.hatch === "none") return [box];
  return [box, svg("rect", {x, y, width, height, class: "hatched",
    fill: `url(#hatch-${look.hatch})`})];
}

function legendItem(look, count) {
  const letter = look.letter === "" ? [] : [svg("text", {x: 13, y: 9.5, class: "label"}, look.letter)];
  return el("li", {class: count === 0 ? "none" : null, "data-look": look.key},
    svg("svg", {viewBox: "0 0 26 18", "aria-hidden": "true"},
      ...drawBox(look, 0.5, 0.5, 25, 17), ...letter),
    look.label, el("b", {}, counted(count)));
}

// What was found, with the values that differ marked.

function markValues(text) {
  const parts = text.split(/(0x[0-9a-f]+|\b\d+\b)/i);
  return parts.map((part, i) => i % 2 === 1 ? el("mark", {}, part) : part);
}

function showVerdict(finding, place, go) {
  const verdict = $("verdict");
  if (!finding) {
    verdict.className = "good";
    verdict.append(el("p", {}, "✓ Nothing was found wrong."));
    return;
  }
  verdict.className = "bad";
  verdict.append(el("div", {}, el("p", {}, el("span", {class: "name"}, "✕ " + finding.name),
    finding.sentence ? ": " + finding.sentence : ""),
  finding.detail ? el("p", {class: "detail"}, ...markValues(finding.detail)) : null));
  if (go) {
    const button = el("button", {type: "button"}, place);
    button.addEventListener("click", go);
    verdict.append(button);
  }
}

// The stepper.

// Whether the space bar is for @target itself: it presses a button, and checks a box.
const takesSpace = target => target instanceof Element &&
  target.matches("button, input:not([type=range]), select, textarea, summary");

const stepper = {
  step: 0,
  noun: "step",
  count: 1,
  draw: () => {},
  timer: 0,

  go(step) {
    this.step = Math.max(0, Math.min(this.count - 1, step));
    $("slider").value = this.step;
    $("where").textContent = `${this.noun} ${this.step} of ${this.count - 1}`;
    $("first").disabled = $("back").disabled = this.step === 0;
    $("last").disabled = $("forward").disabled = this.step === this.count - 1;
    this.draw(this.step);
    $("slider").setAttribute("aria-valuetext", $("now").textContent);
  },

  play(on) {
    clearInterval(this.timer);
    this.timer = 0;
    $("play").setAttribute("aria-pressed", on);
    if (!on) return;
    if (this.step === this.count - 1) this.go(0);
    this.timer = setInterval(() => {
      this.go(this.step + 1);
      if (this.step === this.count - 1) this.play(false);
    }, Math.max(60, Math.min(700, 20000 / this.count)));
  },

  start(count, draw, ticks) {
    this.count = count;
    this.draw = draw;
    $("slider").max = count - 1;
    for (const tick of ticks.length > 400 ? ticks.filter(tick => tick.bad) : ticks) {
      const at = count > 1 ? 100 * tick.step / (count - 1) : 0;
      $("ticks").append(el("i", {class: tick.bad ? "bad" : null, style: `left:${at}%`}));
    }
    const moves = {first: () => 0, back: () => this.step - 1, forward: () => this.step + 1,
      last: () => this.count - 1};
    for (const [id, move] of Object.entries(moves)) {
      $(id).addEventListener("click", () => { this.play(false); this.go(move()); });
    }
    $("play").addEventListener("click", () => this.play(this.timer === 0));
    $("slider").addEventListener("input", () => { this.play(false); this.go(+$("slider").value); });
    document.addEventListener("keydown", event => this.key(event));
  },

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const moves = {ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10,
      Home: -this.count, End: this.count};
    if (event.key in moves) {
      this.play(false);
      this.go(this.step + moves[event.key]);
    } else if (event.key === " " && !takesSpace(event.target)) {
      this.play(this.timer === 0);
    } else {
      return;
    }
    event.preventDefault();
  },
};

// Shows @item of a list that scrolls, without moving the page.
function reveal(list, item) {
  const top = item.offsetTop - list.offsetTop;
  if (top < list.scrollTop || top + item.offsetHeight > list.scrollTop + list.clientHeight) {
    list.scrollTo({top: Math.max(0, top - list.clientHeight / 2), behavior: "instant"});
  }
}

// The test of the page.

function luminance(colour) {
  const parts = [1, 3, 5].map(i => parseInt(colour.slice(i, i + 2), 16) / 255)
    .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
}

function contrast(a, b) {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

// Text has colours that can be read, in both themes, on the ground that its rule names, or a panel's.
function checkInks(complain) {
  const rules = [...document.styleSheets[0].cssRules];
  const dark = rules.find(rule => rule.media && rule.media.mediaText.includes("dark"));
  const themes = {light: rules.find(rule => rule.selectorText === ":root"), dark: dark.cssRules[0]};
  for (const [theme, root] of Object.entries(themes)) {
    const colour = (style, property) => {
      const name = style.getPropertyValue(property).match(/^var\((.*)\)$/);
      return name && root.style.getPropertyValue(name[1]).trim();
    };
    for (const {selectorText, style} of rules.filter(rule => rule.style)) {
      const ink = colour(style, "color");
      const ground = colour(style, "background") || root.style.getPropertyValue("--panel").trim();
      if (ink && !selectorText.includes(":disabled") && contrast(ink, ground) < 4.5) {
        complain(`${selectorText}: hard to read, ${theme}`);
      }
    }
  }
}

// The space bar plays, but where what has the focus takes it.
function checkSpace(complain) {
  const press = target => !target.dispatchEvent(new KeyboardEvent("keydown",
    {key: " ", bubbles: true, cancelable: true}));
  for (const control of document.querySelectorAll("button, input:not([type=range])")) {
    if (press(control)) complain(`space is taken from ${control.id || control.textContent}`);
  }
  if (stepper.timer !== 0) complain("space on a control plays");
  if (!press($("slider")) || stepper.timer === 0) complain("space does not play");
  stepper.play(false);
}

// Checks @check(step, complain) at up to 100 steps, forwards, then back; and what all pages owe.
function selfTest(check) {
  const wrong = [];
  const complain = text => wrong.push(text);
  const stride = Math.ceil(stepper.count / 100);
  const steps = [];
  for (let i = 0; i < stepper.count; i += stride) steps.push(i);
  if (steps[steps.length - 1] !== stepper.count - 1) steps.push(stepper.count - 1);
  for (const step of steps.concat(steps.slice().reverse())) {
    stepper.go(step);
    check(step, text => complain(`step ${step}: ${text}`));
    if (wrong.length > 20) break;
  }
  for (const look of DATA.looks || []) {
    for (const [theme, ink] of [["light", "#14181f"], ["dark", "#f2f4f7"]]) {
      if (look.letter !== "" && contrast(look[theme], ink) < 4.5) {
        complain(`${look.key}: letters on ${look[theme]} are hard to read`);
      }
    }
  }
  checkInks(complain);
  checkSpace(complain);
  for (const control of document.querySelectorAll("button, input")) {
    const name = control.getAttribute("aria-label") || control.textContent.trim();
    if (!name) complain(`a ${control.tagName} has no name`);
  }
  if (document.documentElement.scrollWidth > window.innerWidth) {
    complain(`${document.documentElement.scrollWidth} pixels wide in ${window.innerWidth}`);
  }
  for (const key of ["ArrowLeft", "Home", "ArrowRight", "End"]) {
    document.dispatchEvent(new KeyboardEvent("keydown", {key}));
  }
  if (stepper.step !== stepper.count - 1) complain("keys do not lead to the last step");
  wrong.push(...errors);
  document.documentElement.dataset.selftest =
    wrong.length === 0 ? `ok: ${steps.length} steps` : `wrong: ${wrong.join("; ")}`;
}

// After the first drawing: where the address says which step, there; else at what was found.
function begin(step, check) {
  const asked = location.hash.match(/^#step=(\d+)$/);
  stepper.go(asked ? +asked[1] : step);
  if (location.hash === "#selftest") selfTest(check);
}

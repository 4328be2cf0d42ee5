// SPDX-License-Identifier: MIT
//
// schedule.js: who ran when: a lane for each thread, a line for each step.
"use strict";

const [MATTERS, BEGINS, ENDS] = [1, 2, 4];
const LANES = ["unmovable", "movable", "reclaimable", "run"];

// Of very many steps only the last ones are here: @i is the place among these, @number that among all.
const STEPS = DATA.steps.map(([thread, op, step, place, word, value, older, flags], i) =>
  ({i, number: DATA.first + i, thread, op, step, place: DATA.places[place], word, value, older, flags}));
const byWord = new Map();
for (const step of STEPS) {
  if (step.flags & (BEGINS | ENDS)) continue;
  if (!byWord.has(step.word)) byWord.set(step.word, []);
  byWord.get(step.word).push(step);
}

// The threads that are in an operation while each step is done: their lanes go on.
const inside = (() => {
  const open = [...DATA.inside];
  return STEPS.map(step => {
    open[step.thread] = !(step.flags & ENDS);
    return open.slice();
  });
})();

let shown = [];
let rows = [];

function placeText({file, line}) {
  return `${file}:${line}`;
}

function stepText(step) {
  if (step.flags & BEGINS) return `begins operation ${step.op}: ${DATA.ops[step.op]}`;
  if (step.flags & ENDS) return `has ended operation ${step.op}`;
  const value = step.value === "" ? "" : ` = ${step.value}`;
  return `${step.place.kind} ${step.place.what}${value}` + (step.older > 0 ? " (older)" : "");
}

function cellOf(step) {
  if (step.flags & BEGINS) return [`${step.op}: ${DATA.ops[step.op]}`];
  if (step.flags & ENDS) return [el("span", {class: "value"}, "(ended)")];
  return [step.place.kind + " ", el("span", {class: "word"}, step.place.what),
    step.value === "" ? null : el("span", {class: "value"}, ` = ${step.value}`),
    step.older > 0 ? el("span", {class: "older"}, " older") : null];
}

function makeRows() {
  const body = $("steps");
  let before = null;
  rows = shown.map((step, i) => {
    const last = i === shown.length - 1;
    const row = el("tr", {class: [before !== null && before.thread !== step.thread ? "switch" : "",
      last && DATA.finding ? "final" : ""].join(" ").trim() || null}, el("td", {class: "count"},
      String(step.number)));
    for (let thread = 0; thread < DATA.threads; thread++) {
      const mine = thread === step.thread;
      const style = `--lane:var(--lane-${thread});--lane-soft:var(--lane-soft-${thread})`;
      const name = [mine ? "run" : inside[step.i][thread] ? "open" : "", mine && step.flags & BEGINS ? "op" : "",
        mine && step.flags & MATTERS ? "conflict" : ""].join(" ").trim();
      row.append(el("td", {class: name || null, style}, ...(mine ? cellOf(step) : []),
        mine && last && DATA.finding ? el("span", {class: "chip bad"}, `✕ ${DATA.finding.name}`) : null));
    }
    row.addEventListener("click", () => { stepper.play(false); stepper.go(i); });
    before = step;
    return row;
  });
  body.replaceChildren(...rows);
}

function choose(all) {
  const kept = shown[stepper.step];
  shown = STEPS.filter(step => all || step.flags & (MATTERS | BEGINS));
  if (DATA.finding && shown[shown.length - 1] !== STEPS[STEPS.length - 1]) {
    shown.push(STEPS[STEPS.length - 1]);
  }
  makeRows();
  stepper.count = shown.length;
  $("slider").max = shown.length - 1;
  const at = kept ? shown.findIndex(step => step.i >= kept.i) : -1;
  return at < 0 ? shown.length - 1 : at;
}

function drawWord(step) {
  const steps = step.flags & (BEGINS | ENDS) ? [] : byWord.get(step.word);
  const at = steps.indexOf(step);
  const near = steps.slice(Math.max(0, at - 12), at + 13);
  const lines = near.map(other => {
    const button = el("button", {type: "button", "aria-current": other === step ? "step" : null},
      el("span", {class: "index"}, String(other.number)),
      el("span", {}, `thread ${other.thread + 1}: ${other.place.kind}` +
        (other.value === "" ? "" : ` = ${other.value}`) + (other.older > 0 ? " (older)" : "")));
    button.addEventListener("click", () => {
      let to = shown.indexOf(other);
      if (to < 0) {
        $("all").checked = true;
        choose(true);
        to = shown.indexOf(other);
      }
      stepper.go(to);
    });
    return el("li", {}, button);
  });
  $("word").replaceChildren(lines.length === 0 ? el("p", {class: "plain"}, "A step of the harness: no word.")
    : el("ol", {class: "ops"}, ...lines));
}

function draw(at) {
  const step = shown[at];
  $("now").textContent = `thread ${step.thread + 1}: ${stepText(step)}`;
  for (const row of document.querySelectorAll("#steps tr[aria-current], #steps tr.related")) {
    row.removeAttribute("aria-current");
    row.classList.remove("related");
  }
  rows[at].setAttribute("aria-current", "step");
  if (!(step.flags & (BEGINS | ENDS))) {
    shown.forEach((other, i) => {
      if (i !== at && other.word === step.word && !(other.flags & (BEGINS | ENDS))) {
        rows[i].classList.add("related");
      }
    });
  }
  reveal($("lanes"), rows[at]);
  const facts = [["thread", step.thread + 1], ["operation", `${step.op}: ${DATA.ops[step.op] || ""}`],
    ["its step", step.step], ["does", stepText(step)],
    ...(step.flags & (BEGINS | ENDS) ? [] : [["at", `${placeText(step.place)}, ${step.place.function}()`]])];
  $("facts").replaceChildren(el("table", {class: "facts"}, el("tbody", {}, ...facts.map(([name, value]) =>
    el("tr", {}, el("th", {scope: "row"}, name), el("td", {}, String(value)))))));
  drawWord(step);
}

function check(at, complain) {
  const step = shown[at];
  const cells = [...rows[at].children].slice(1);
  if (cells.length !== DATA.threads) complain("not a lane for each thread");
  if (cells.findIndex(cell => cell.textContent !== "") !== step.thread) complain("in another's lane");
  if (document.querySelectorAll("#steps tr[aria-current]").length !== 1) complain("not one line is marked");
  if (rows.length !== shown.length) complain("not a line for each step");
  if (rows[at].firstChild.textContent !== String(DATA.total - STEPS.length + step.i)) {
    complain("another number");
  }
  if (rows[at].firstChild.scrollWidth > rows[at].firstChild.clientWidth) {
    complain("the number has no room");
  }
  if (at === shown.length - 1 && DATA.finding && !rows[at].querySelector(".chip.bad")) {
    complain("the violation is not marked");
  }
}

function start() {
  addLooks(DATA.looks);
  document.head.append(el("style", {}, `:root{${LANES.map((key, i) => `--lane-${i}:color-mix(in srgb,` +
    `var(--look-${key}) 60%,var(--ink));--lane-soft-${i}:color-mix(in srgb,var(--look-${key}) 35%,var(--panel));`).join("")}}`));
  $("title").textContent = DATA.file;
  $("subtitle").textContent = `on ${DATA.subject}: ${DATA.threads} threads, ${counted(DATA.total)} steps, ` +
    `${counted(DATA.switches)} switch${DATA.switches === 1 ? "" : "es"}` +
    (DATA.first > 0 ? `; the last ${counted(STEPS.length)} steps are shown` : "");
  showVerdict(DATA.finding, "Show the last step", () => stepper.go(stepper.count - 1));
  const heads = [];
  for (let thread = 0; thread < DATA.threads; thread++) {
    heads.push(el("th", {scope: "col"}, `thread ${thread + 1}`));
  }
  const all = el("input", {type: "checkbox", id: "all", "aria-label": "Show all steps"});
  $("figure").append(el("h2", {}, "Schedule ",
    el("small", {}, "⇄ another thread goes on; underlined: words that threads contend for")),
  el("p", {class: "plain"}, el("label", {}, all, " all steps, not only those that matter to another thread")),
  el("div", {id: "lanes", class: "lanes", tabindex: 0, role: "region", "aria-label": "Steps"},
    el("table", {}, el("thead", {}, el("tr", {}, el("th", {class: "count", scope: "col"}, "step"), ...heads)),
      el("tbody", {id: "steps"}))));
  $("side").append(
    el("section", {class: "panel"}, el("h2", {}, "This step"), el("div", {id: "facts"})),
    el("section", {class: "panel"}, el("h2", {}, "Steps on the same word"), el("div", {id: "word"})),
    el("section", {class: "panel"}, el("h2", {}, "Schedule ", el("small", {}, "potad-stress replay does it again")),
      el("p", {class: "schedule"}, DATA.schedule)));
  all.addEventListener("change", () => stepper.go(choose(all.checked)));
  stepper.noun = "line";
  const last = choose(false);
  stepper.start(shown.length, draw, []);
  begin(DATA.finding ? last : 0, check);
}

start();

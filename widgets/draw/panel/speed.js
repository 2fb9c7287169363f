// Where time goes. It is measured when asked for: timing takes the processor for itself, and kernels may have to be
// compiled.

import { make, setShown, setText } from "./elements.js";
import { createRoofline } from "./roofline.js";
import { makeBadge } from "./tiles.js";

const LATENCY_HINT =
  "Not measured for these settings. Measuring runs both networks here for a moment, each layer of them, and what this machine can do at best; kernels that were not used before are compiled first.";

function createSide(side) {
  const bar = make("span", { style: `--cwb-share: ${side.share}` });
  const spread = make("span", { style: `--cwb-low: ${side.low}; --cwb-high: ${side.high}` });
  return make(
    "li",
    {},
    make("span", { className: "cwb-muted", text: side.label }),
    make("span", { className: "cwb-side-track", "aria-hidden": "true" }, bar, spread),
    make("span", { className: "cwb-side-time", text: side.text }),
    make("span", { className: "cwb-side-spread cwb-muted", text: side.spread }),
  );
}

// How often a latency has come that was not there before; `changed` is called each time.
export function countMeasurements(link, changed) {
  let number = 0;
  let last = null;
  link.listen(({ state }) => {
    const found = state.latency === null ? null : JSON.stringify(state.latency);
    if (found === last) return;
    last = found;
    number += 1;
    changed();
  });
  return { get number() { return number; } };
}

function createAdvice({ sentence, evidence, source }) {
  return make(
    "li",
    {},
    make("p", { className: "cwb-advice-sentence", text: sentence }),
    make("p", { className: "cwb-help", text: `${evidence} (${source})` }),
  );
}

export function createSpeed(page) {
  const { link, catalogue } = page;
  const { badge, show: showBadge } = makeBadge(catalogue.words);
  const value = make("p", { className: "cwb-value" });
  const change = make("p", { className: "cwb-change" });
  const sides = make("ul", { className: "cwb-sides" });
  const figure = make("div", { className: "cwb-latency-figure" }, value, change, badge);
  const hint = make("p", { className: "cwb-help" });
  const advice = make("ul", { className: "cwb-advice" });
  const advised = make("div", { hidden: true }, make("h4", { text: "What the guidelines say to that" }), advice);
  const roofline = createRoofline(page.signal);
  let busy = false;
  let timed = false;
  let drawn = "";
  const button = make("button", {
    type: "button", text: "Measure latency",
    onclick: () => link.ask(busy ? "cancel" : "latency"),
  });
  const root = make(
    "section",
    { className: "cwb-speed", "aria-label": "Speed" },
    make("div", { className: "cwb-latency" }, button, figure, sides, hint, advised),
    roofline.root,
  );
  setShown(roofline.root, false);

  link.listen(({ state, current }) => {
    const found = state.latency;
    busy = current && state.timing;
    timed = current && !busy && found !== null;
    root.dataset.current = String(current && !busy);
    root.setAttribute("aria-busy", String(busy));
    setText(button, busy ? "Stop measuring" : found && current ? "Measure again" : "Measure latency");
    for (const element of [figure, sides]) setShown(element, found !== null);
    if (found === null) for (const element of [advised, roofline.root]) setShown(element, false);
    const content = JSON.stringify(found);
    if (found && content !== drawn) {
      drawn = content;
      showBadge(found.badge);
      setText(value, found.value);
      setText(change, found.change);
      change.classList.toggle("cwb-same", found.change.startsWith("no "));
      sides.replaceChildren(...found.sides.map(createSide));
    }
    const waiting = state.stage === "latency" ? state.status : "Measured as soon as accuracy is known.";
    setText(hint, busy ? waiting : found ? found.conditions : LATENCY_HINT);
  });
  const measurements = countMeasurements(link, () => page.pictures.changed("speed")); // who is told after the above

  return {
    name: "speed",
    title: "Speed",
    root,
    question: () => (timed ? { measurement: measurements.number } : null),
    draw(content) {
      advice.replaceChildren(...content.advice.map(createAdvice));
      setShown(advised, timed && content.advice.length > 0);
      setShown(roofline.root, timed && content.roofline !== null);
      if (content.roofline) roofline.draw(content.roofline);
    },
  };
}

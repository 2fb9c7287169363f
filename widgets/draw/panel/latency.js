// Latency is measured when asked for: timing takes the processor for itself, and the kernels may have to be compiled.

import { make, setShown, setText } from "./elements.js";
import { makeBadge } from "./tiles.js";

const LATENCY_HINT =
  "Not measured for this recipe. Measuring runs both networks here for a moment, and compiles what has not been used before.";

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

export function createLatency({ link, catalogue }) {
  const { badge, show: showBadge } = makeBadge(catalogue.words);
  const value = make("p", { className: "cwb-value" });
  const change = make("p", { className: "cwb-change" });
  const sides = make("ul", { className: "cwb-sides" });
  const figure = make("div", { className: "cwb-latency-figure" }, value, change);
  const hint = make("p", { className: "cwb-help" });
  let busy = false;
  let drawn = "";
  const button = make("button", {
    type: "button", text: "Measure latency",
    onclick: () => link.ask(busy ? "cancel" : "latency"),
  });
  const root = make(
    "section",
    { className: "cwb-latency", "aria-label": "Latency" },
    make("div", { className: "cwb-latency-head" }, badge, button),
    figure, sides, hint,
  );

  link.listen(({ state, current }) => {
    const found = state.latency;
    busy = current && state.timing;
    root.dataset.current = String(current && !busy);
    root.setAttribute("aria-busy", String(busy));
    setText(button, busy ? "Stop measuring" : found && current ? "Measure again" : "Measure latency");
    for (const element of [badge, figure, sides]) setShown(element, found !== null);
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
  return { name: "latency", title: "Latency", root };
}

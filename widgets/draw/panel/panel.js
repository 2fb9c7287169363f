// The panel as a whole. Everything happens in render: a slow initialize would make anywidget deaf to the kernel.

import { followHeight } from "./columns.js";
import { make, setText } from "./elements.js";
import { createGlossary } from "./glossary.js";
import { createHeader } from "./header.js";
import { createHistory } from "./history.js";
import { createLatency } from "./latency.js";
import { createLayers } from "./layers.js";
import { createLink } from "./link.js";
import { createPlot } from "./plot.js";
import { createSliders } from "./sliders.js";
import { createSteps } from "./steps.js";
import { followTheme } from "./theme.js";
import { createTiles } from "./tiles.js";

function createSpoken(link, signal) {
  const region = make("p", { className: "cwb-spoken", role: "status", "aria-live": "polite" });
  let timer = null;
  link.listen(({ state, current }) => {
    clearTimeout(timer);
    const settled = current && (state.stage === "exact" || state.stage === "cancelled");
    if (settled) timer = setTimeout(() => setText(region, state.spoken), 600);
  });
  signal.addEventListener("abort", () => clearTimeout(timer));
  return region;
}

function saveFile(name, buffer) {
  const url = URL.createObjectURL(new Blob([buffer], { type: "application/octet-stream" }));
  const anchor = make("a", { href: url, download: name, hidden: true });
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

function render({ model, el, signal: given }) {
  const controller = new AbortController();
  const signal = given ?? controller.signal;
  const catalogue = model.get("catalogue");
  const link = createLink(model, signal);
  const root = make("div", { className: "cwb", role: "group", "aria-label": "Compression workbench" });
  const header = createHeader(link, catalogue, createHistory(link, root, signal));
  const plot = createPlot(model, link, root, signal);
  const body = make(
    "div",
    { className: "cwb-body" },
    make("div", { className: "cwb-controls" }, createSliders(link, catalogue), createSteps(link, catalogue)),
    make("div", { className: "cwb-main" }, createTiles(link, catalogue), createLatency(link, catalogue), plot.root, createLayers(link, catalogue)),
  );
  root.append(
    header.root,
    header.error,
    body,
    createGlossary(catalogue),
    createSpoken(link, signal),
  );
  const heard = (message, buffers) => {
    if (message.kind !== "file") return;
    saveFile(message.name, buffers[0]);
    header.saved();
  };
  model.on("msg:custom", heard);
  signal.addEventListener("abort", () => model.off("msg:custom", heard));
  root.addEventListener("keydown", (event) => {
    if (event.key === "Escape") root.querySelector(".cwb-progress button").click();
  });
  // For whoever watches the page from outside: which move the controls are at, which one the figures answer and how far,
  // which one the costs are of, and for how many positions these are known ahead.
  link.listen(({ state, seq, ahead, foreseen }) => {
    const { answered, stage } = state;
    Object.assign(root.dataset, { asked: seq, answered, stage, costs: ahead ? seq : answered, foreseen });
  });
  el.append(root);
  followTheme(root, signal, plot.draw);
  link.start();
  model.send({ kind: "hello" });
  requestAnimationFrame(() => {
    followHeight([...body.children], signal); // what they scroll in is known once they are on the page
    plot.draw();
  });
  return () => controller.abort();
}

export default { render };

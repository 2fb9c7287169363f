// The panel as a whole, or the pieces of it that were asked for. Everything happens in render: a slow initialize would
// make anywidget deaf to the kernel.

import { createAddress } from "./address.js";
import { createAnswers } from "./answers.js";
import { followHeight } from "./columns.js";
import { make, setText } from "./elements.js";
import { createGlossary } from "./glossary.js";
import { createGraph } from "./graph.js";
import { createHeader } from "./header.js";
import { createHistory } from "./history.js";
import { createLayers } from "./layers.js";
import { createLink } from "./link.js";
import { createOutcome } from "./outcome.js";
import { createPictures } from "./pictures.js";
import { createPlot } from "./plot.js";
import { createError } from "./remarks.js";
import { createSliders } from "./sliders.js";
import { createSpeed } from "./speed.js";
import { createStage } from "./stage.js";
import { createSnapshots } from "./snapshots.js";
import { createSteps } from "./steps.js";
import { createStrip } from "./strip.js";
import { followTheme } from "./theme.js";
import { createTiles } from "./tiles.js";
import { createTip } from "./tip.js";
import { createTrial } from "./trial.js";
import { createWatch } from "./watch.js";
import { createWeights } from "./weights.js";
import { createWelcome } from "./welcome.js";

// What stands on the stage, in the order of its tabs.
const CARDS = {
  tradeoff: createPlot, weights: createWeights, answers: createAnswers, trial: createTrial, layers: createLayers,
  graph: createGraph, speed: createSpeed, history: createSnapshots,
};

function createSpoken({ link, signal }) {
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

function keepGoals({ model, address, signal }) {
  let limits = {};
  const heard = (message) => {
    if (message.kind !== "goals") return;
    limits = message.limits;
    address.follow();
  };
  model.on("msg:custom", heard);
  signal.addEventListener("abort", () => model.off("msg:custom", heard));
  address.keep(
    "goals",
    () => (Object.keys(limits).length ? limits : undefined),
    (given) => model.send({ kind: "goals", limits: given }),
  );
}

function saveFile(name, buffer) {
  const url = URL.createObjectURL(new Blob([buffer], { type: "application/octet-stream" }));
  const anchor = make("a", { href: url, download: name, hidden: true });
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

// The pieces in their places: a bar, controls, figures and the stage. Those that are not shown are not made.
function compose(page) {
  const { pieces } = page.catalogue;
  page.history = pieces.includes("header") ? createHistory(page) : null;
  const piece = (name, create) => (pieces.includes(name) ? create(page) : null);
  const cards = Object.entries(CARDS)
    .filter(([name]) => pieces.includes(name))
    .map(([, create]) => create(page));
  page.stage = createStage(cards.map((card) => (card.question ? page.pictures.frame(card) : card)));
  page.stage.listen(page.pictures.look);
  page.pictures.look(page.stage.current);
  const controls = [piece("sliders", createSliders), piece("outcome", createOutcome), piece("steps", createSteps), piece("welcome", createWelcome)].filter(Boolean);
  const tiles = piece("tiles", createTiles);
  const strip = piece("strip", createStrip);
  const parts = [
    tiles,
    controls.length ? make("div", { className: "cwb-controls" }, ...controls) : null,
    strip || cards.length ? make("div", { className: "cwb-main" }, strip, cards.length ? page.stage.root : null) : null,
  ];
  const body = make("div", { className: "cwb-body" }, ...parts);
  body.classList.toggle("cwb-columns", Boolean(controls.length) && Boolean(tiles || strip || cards.length));
  return [
    piece("header", createHeader),
    createError(page),
    body,
    piece("glossary", createGlossary),
  ].filter(Boolean);
}

function render({ model, el, signal: given }) {
  const controller = new AbortController();
  const signal = given ?? controller.signal;
  const root = make("div", { className: "cwb", role: "group", "aria-label": "Compression workbench" });
  const page = { model, root, signal, catalogue: model.get("catalogue"), link: createLink(model, signal) };
  page.watch = createWatch(page);
  page.address = createAddress(page);
  page.pictures = createPictures(page);
  const { link } = page;
  root.append(...compose(page), createSpoken(page));
  createTip(root, signal);
  const heard = (message, buffers) => message.kind === "file" && saveFile(message.name, buffers[0]);
  model.on("msg:custom", heard);
  signal.addEventListener("abort", () => model.off("msg:custom", heard));
  // For whoever watches the page from outside: which move the controls are at, which one the figures answer and how far,
  // which one the costs are of, and for how many positions these are known ahead.
  link.listen(({ state, seq, ahead, foreseen }) => {
    const { answered, stage } = state;
    Object.assign(root.dataset, { asked: seq, answered, stage, costs: ahead ? seq : answered, foreseen });
  });
  el.append(root);
  followTheme(root, signal, page.stage.redraw);
  link.start();
  page.address.keep("tab", () => page.stage.current ?? undefined, page.stage.open);
  page.stage.listen(page.address.follow);
  keepGoals(page);
  page.address.start();
  model.send({ kind: "hello" });
  requestAnimationFrame(() => {
    followHeight(root, signal); // what it scrolls in is known once it is on the page
    page.stage.redraw();
  });
  return () => controller.abort();
}

export default { render };

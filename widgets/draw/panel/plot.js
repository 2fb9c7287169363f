// The trade-off: every recipe visited stays as a point, over any two measures. A click goes there, with Shift it compares.

import { createComparison } from "./comparison.js";
import { make, makeSelect, newId, setShown, setText } from "./elements.js";
import { createGoal, createGoalError } from "./goals.js";
import { createPoints } from "./points.js";
import { createScatter } from "./scatter.js";

// What the marks mean, each with whether it is in the picture.
const LEGEND = [
  ["current", "where you are", () => true],
  ["visited", "visited", (scene) => scene.rows.some((one) => one.kind === "visited" && one.digest !== scene.current)],
  ["trained", "retrained", (scene) => scene.rows.some((one) => one.trained && !one.shipped)],
  ["shipped", "retrained, shipped", (scene) => scene.rows.some((one) => one.shipped)],
  ["suggested", "measured for you, not visited", (scene) => scene.rows.some((one) => one.kind === "suggested" && !one.shipped)],
  ["coarse", "estimate so far", (scene) => scene.rows.some((one) => !one.exact)],
  ["original", "original", (scene) => scene.rows.some((one) => one.kind === "original")],
  ["pinned", "compared with", (scene) => Boolean(scene.pinned)],
  ["front", "front: no point is better in both", (scene) => scene.front.length > 1],
  ["bar", "95\u00a0% interval", (scene) => [scene.x.key, scene.y.key].includes("accuracy")],
  ["rail", "outside a goal", (scene) => scene.rails.x !== null || scene.rails.y !== null],
];

export function createPlot(page) {
  const { model, link, catalogue, signal } = page;
  const { measures } = catalogue;
  const rows = new Map(); // digest -> row, as the kernel has told them so far
  let told = null; // the last message
  let pinned = "";
  let near = false;

  const choices = measures.map((one) => [one.key, one.label]);
  const choose = (axis) => (measure) => model.send({ kind: "axis", axis, measure });
  const selects = { y: makeSelect("Vertical axis", choices, choose("y")), x: makeSelect("Horizontal axis", choices, choose("x")) };
  const keptId = newId("kept");
  const goals = { y: createGoal(page, keptId), x: createGoal(page, keptId) };
  const zoom = makeSelect("Show", [["all", "all points"], ["near", "near the original"]], (value) => {
    near = value === "near";
    show();
  });
  const go = (digest) => model.send({ kind: "goto", digest });
  const compare = (digest) => {
    pinned = digest === scene().current ? "" : digest;
    model.send({ kind: "compare", digest: pinned });
    if (!pinned) comparison.show(null);
    show();
  };
  const scatter = createScatter(page, scene, (digest, shift) => (shift ? compare(digest) : go(digest)));
  const comparison = createComparison(() => go(pinned), () => compare(""));
  const table = createPoints(measures, go, compare);
  const empty = make("p", { className: "cwb-plot-empty" });
  const legend = make("ul", { className: "cwb-marks" });
  const kept = make("p", { id: keptId, className: "cwb-kept" });
  const root = make(
    "section",
    { className: "cwb-tradeoff", "aria-label": "Trade-off plot" },
    make(
      "div",
      { className: "cwb-tradeoff-parts" },
      make("div", { className: "cwb-axes" }, selects.y.root, goals.y.root, selects.x.root, goals.x.root, zoom.root, createGoalError(page)),
      make("div", { className: "cwb-plot-frame" }, scatter.root, empty),
      comparison.root,
    ),
    kept,
    legend,
    make("p", { className: "cwb-help", text: "Click a point to go there. Shift-click it, or press Compare in the table, to set it beside where you are." }),
    table.root,
  );

  // What is drawn and listed, or null before the kernel has told anything.
  function scene() {
    if (!told) return null;
    const axis = (key) => {
      const index = measures.findIndex((one) => one.key === key);
      return { ...measures[index], index, label: key === "accuracy" ? told.score : measures[index].label };
    };
    return { ...told, rows: [...rows.values()], x: axis(told.x), y: axis(told.y), pinned, near };
  }

  function heard(message) {
    if (message.kind === "comparison") {
      pinned = message.digest;
      comparison.show(message.content, message.error);
      show();
    }
    if (message.kind !== "tradeoff") return;
    if (message.anew) rows.clear();
    for (const digest of message.gone) rows.delete(digest);
    for (const row of message.rows) {
      rows.delete(row.digest); // the latest last
      rows.set(row.digest, row);
    }
    told = message;
    show();
  }

  function show() {
    const shown = scene();
    if (!shown) return;
    for (const axis of ["x", "y"]) {
      selects[axis].select.value = shown[axis].key;
      goals[axis].follow(shown[axis]);
    }
    setShown(zoom.root, shown.x.unit === "share" || shown.y.unit === "share");
    setText(kept, shown.said);
    legend.replaceChildren(
      ...LEGEND.filter(([, , present]) => present(shown)).map(([mark, text]) =>
        make("li", {}, make("span", { className: "cwb-mark", "data-mark": mark, "aria-hidden": "true" }), make("span", { text })),
      ),
    );
    describe(shown);
    table.draw(shown);
    scatter.draw();
  }

  function describe(shown) {
    const { x, y } = shown;
    const drawn = shown.rows.filter((one) => one.values[x.index] !== null && one.values[y.index] !== null);
    const current = drawn.find((one) => one.digest === shown.current);
    const now = current ? ` The current one: ${current.label}, ${current.texts[x.index]}, ${y.label.toLowerCase()} ${current.texts[y.index]}.` : "";
    const knee = drawn.find((one) => one.digest === shown.knee);
    const bend = knee ? ` The front bends most at ${knee.label}, ${knee.texts[x.index]}, ${knee.texts[y.index]}.` : "";
    const count = `${drawn.length} point${drawn.length === 1 ? "" : "s"}`;
    scatter.root.setAttribute("aria-label", `${y.label} over ${x.label.toLowerCase()} of ${count}.${now}${bend}`);
    const unknown = measures.filter((one) => [x.key, y.key].includes(one.key) && shown.rows.every((row) => row.values[measures.indexOf(one)] === null));
    const sentence = unknown.length
      ? `${unknown.map((one) => one.label).join(" and ")} of this network is not known yet; choose another axis.`
      : "Every setting that you try stays here as a point. Move a slider to see the trade-off.";
    setText(empty, drawn.length > 1 ? "" : sentence);
    setShown(empty, drawn.length < 2);
  }

  // Another network's points are dimmed until this one's come.
  link.listen(({ state, position, current }) => {
    root.setAttribute("aria-busy", String(told !== null && told.model !== position.model));
    const settled = current && (state.stage === "exact" || state.stage === "cancelled");
    comparison.root.setAttribute("aria-busy", String(!settled));
  });
  model.on("msg:custom", heard);
  signal.addEventListener("abort", () => model.off("msg:custom", heard));
  return { name: "tradeoff", title: "Trade-off", root, shown: scatter.draw };
}

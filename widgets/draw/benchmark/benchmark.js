// The kernel benchmark: one card a kernel, one line a case, one mark an opponent on a logarithmic axis.

import { make, makeSelect, newId, setShown, setText } from "../panel/elements.js";
import { followTheme } from "../panel/theme.js";

const SHAPES = ["circle", "square", "diamond", "triangle", "ring", "bar", "frame", "cross"];

function makeMark(opponent, at, title) {
  return make("span", {
    className: "cwb-mark", "data-part": opponent, "data-shape": SHAPES[opponent], title,
    style: at === null ? undefined : `--cwb-at: ${at}`,
  });
}

function createLine(row, kernel) {
  const track = make(
    "div",
    { className: "cwb-track", role: "img", "aria-label": row.label },
    ...kernel.ticks.map((tick) => make("span", { className: "cwb-grid", style: `--cwb-at: ${tick.at}` })),
    make("span", { className: "cwb-even", style: `--cwb-at: ${kernel.even}` }),
    ...row.marks.map((mark) => makeMark(mark.opponent, mark.at, mark.text)),
  );
  const filled = make("span", { style: `--cwb-share: ${row.limit_share ?? 0}` });
  const limit = make("span", { className: "cwb-limit", "aria-hidden": "true" }, filled);
  setShown(limit, row.limit_share !== null);
  return make(
    "div",
    { className: "cwb-line" },
    make("span", { className: "cwb-case" }, make("span", { text: row.case }), make("span", { className: "cwb-muted", text: row.threads_text })),
    track,
    make("span", { className: "cwb-time", text: row.time }),
    make("span", { className: "cwb-of-limit" }, limit, make("span", { text: row.limit || "–" })),
  );
}

function createAxis(kernel) {
  const ticks = kernel.ticks.map((tick) => make("span", { className: "cwb-tick", style: `--cwb-at: ${tick.at}`, text: tick.text }));
  return make(
    "div",
    { className: "cwb-line cwb-line-head cwb-muted", "aria-hidden": "true" },
    make("span", { text: "Case" }),
    make("div", { className: "cwb-track" }, ...ticks),
    make("span", { className: "cwb-time", text: "Time" }),
    make("span", { className: "cwb-of-limit", text: "Of the limit" }),
  );
}

function createFigures(kernel, rows) {
  const heads = ["Case", "Threads", "Time", ...kernel.opponents.flatMap((name) => [`× ${name}`, name]), "Of the limit"];
  const cells = (row) => {
    const byOpponent = new Map(row.marks.map((mark) => [mark.opponent, mark]));
    return [
      String(row.threads), row.time,
      ...kernel.opponents.flatMap((_, index) => [byOpponent.get(index)?.ratio ?? "", byOpponent.get(index)?.time ?? ""]),
      row.limit,
    ];
  };
  const body = rows.map((row) => make("tr", {}, make("th", { scope: "row", text: row.case }), ...cells(row).map((text) => make("td", { text }))));
  const table = make("table", {}, make("thead", {}, make("tr", {}, ...heads.map((text) => make("th", { scope: "col", text })))), make("tbody", {}, ...body));
  return make(
    "details",
    { className: "cwb-points" },
    make("summary", { text: `${rows.length === 1 ? "This case" : `These ${rows.length} cases`} as a table` }),
    make("div", { className: "cwb-scroll", tabindex: 0, role: "region", "aria-label": `Figures of ${kernel.name}` }, table),
  );
}

function createKernelCard(kernel, threads) {
  const rows = kernel.rows.filter((row) => threads === "all" || String(row.threads) === threads);
  if (!rows.length) return null;
  const titleId = newId("kernel");
  const limited = rows.some((row) => row.limit);
  const used = new Set(rows.flatMap((row) => row.marks.map((mark) => mark.opponent)));
  const legend = kernel.opponents
    .map((name, index) => [name, index])
    .filter(([, index]) => used.has(index))
    .map(([name, index]) => make("li", {}, makeMark(index, null), make("span", { text: name })));
  return make(
    "section",
    { className: "cwb-card cwb-kernel", "aria-labelledby": titleId, "data-kernel": kernel.name },
    make(
      "div",
      { className: "cwb-kernel-head" },
      make("h3", { id: titleId }, make("span", { text: kernel.title }), make("code", { text: kernel.name })),
      make("ul", { className: "cwb-legend", "aria-label": "Opponents" }, ...legend),
    ),
    make("div", { className: limited ? "cwb-lines" : "cwb-lines cwb-unlimited" }, createAxis(kernel), ...rows.map((row) => createLine(row, kernel))),
    createFigures(kernel, rows),
  );
}

// Refilled with every case that is measured, but never under the hand of whoever is choosing.
function refill(select, choices) {
  const wanted = JSON.stringify(choices);
  if (select.dataset.choices === wanted) return;
  const { value } = select;
  select.dataset.choices = wanted;
  select.replaceChildren(...choices.map(([key, text]) => make("option", { value: key, text })));
  select.value = choices.some(([key]) => key === value) ? value : choices[0][0];
}

function render({ model, el, signal: given }) {
  const controller = new AbortController();
  const signal = given ?? controller.signal;
  const kernels = makeSelect("Kernel", [["all", "all kernels"]], () => draw());
  const threads = makeSelect("Threads", [["all", "any number"]], () => draw());
  const stop = make("button", { type: "button", text: "Stop", onclick: () => model.send({ kind: "stop" }) });
  const status = make("span", { className: "cwb-status", role: "status", "aria-live": "polite" });
  const bar = make("progress", { "aria-label": "Measuring" });
  const progress = make("div", { className: "cwb-progress" }, status, bar, stop);
  const error = make("p", { className: "cwb-error", role: "alert", hidden: true });
  const machine = make("p", { className: "cwb-help" });
  const cards = make("div", { className: "cwb-kernels" });
  const root = make(
    "div",
    { className: "cwb cwb-benchmark", role: "group", "aria-label": "Kernel benchmark" },
    make("header", { className: "cwb-benchmark-head" }, make("h2", { text: "Kernel benchmark" }), kernels.root, threads.root),
    make("p", {
      className: "cwb-help",
      text: "How many times faster the workbench's kernel is than what one would use instead. Marks to the right of the line at 1× are a gain, marks to its left a loss.",
    }),
    progress, error, cards, machine,
  );

  function draw() {
    const state = model.get("state");
    const found = state.benchmark;
    refill(kernels.select, [["all", "all kernels"], ...found.kernels.map((one) => [one.name, one.name])]);
    refill(threads.select, [["all", "any number"], ...found.threads.map((one) => [String(one), String(one)])]);
    setText(status, state.status);
    setShown(progress, state.running);
    stop.setAttribute("aria-disabled", String(state.stopping));
    setText(error, state.error);
    setShown(error, Boolean(state.error));
    setText(machine, found.machine);
    const open = new Set([...cards.querySelectorAll("details[open]")].map((one) => one.closest("section").dataset.kernel));
    const shown = found.kernels.filter((one) => kernels.select.value === "all" || one.name === kernels.select.value);
    cards.replaceChildren(...shown.map((one) => createKernelCard(one, threads.select.value)).filter(Boolean));
    for (const card of cards.children) card.querySelector("details").open = open.has(card.dataset.kernel);
  }

  model.on("change:state", draw);
  signal.addEventListener("abort", () => model.off("change:state", draw));
  el.append(root);
  followTheme(root, signal, () => {});
  draw();
  model.send({ kind: "hello" });
  return () => controller.abort();
}

export default { render };

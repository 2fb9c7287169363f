// The layer table. Each layer can be given values of its own, and follow the global sliders again.

import { createCurve } from "./curve.js";
import { make, newId, setItems, setShown, setText } from "./elements.js";
import { giveOwn, takeOwn } from "./overrides.js";
import { makeRange } from "./range.js";
import { stopText } from "./sliders.js";
import { makeWord } from "./tip.js";

const LAYER_COLUMNS = ["Layer", "Bytes", "Non-zero", "Bits", "Rank", "Encoding", "MACs", "Energy", "Latency", "Sensitivity", ""];

function createLayerRow(link, catalogue, { name, label }) {
  const kind = make("span", { className: "cwb-muted" });
  const apart = make("span", { className: "cwb-apart", text: "own value", hidden: true });
  const note = make("p");
  const latencyNote = make("p");
  const remark = make("tr", { className: "cwb-layer-note", hidden: true }, make("td", { colspan: LAYER_COLUMNS.length }, note, latencyNote));
  const bytes = make("span");
  const change = make("span", { className: "cwb-muted" });
  const bar = make("span", { className: "cwb-layer-bar", "aria-hidden": "true" }, make("span"), make("span"));
  const density = make("span");
  const nonzeros = make("span", { className: "cwb-muted" });
  const rank = make("span");
  const breakEven = make("span", { className: "cwb-muted" });
  const latency = make("span");
  const dense = make("span", { className: "cwb-muted" });
  const curve = createCurve();
  const cells = Object.fromEntries(["bits", "encoding", "macs", "energy"].map((key) => [key, make("td", { "data-cell": key })]));
  const editorId = newId("editor");
  const toggle = make("button", {
    type: "button", "aria-expanded": "false", "aria-controls": editorId, "aria-label": `Adjust layer ${label}`, text: "Adjust",
    onclick: () => open(editor.hidden),
  });
  const row = make(
    "tr",
    { "data-layer": name },
    make("th", { scope: "row" }, make("span", { className: "cwb-layer-name" }, make("span", { text: label }), apart), kind),
    make("td", { "data-cell": "bytes" }, bytes, change, bar),
    make("td", { "data-cell": "nonzeros" }, density, nonzeros),
    cells.bits,
    make("td", { "data-cell": "rank" }, rank, breakEven),
    cells.encoding, cells.macs, cells.energy,
    make("td", { "data-cell": "latency" }, latency, dense),
    make("td", { "data-cell": "sensitivity" }, curve.root),
    make("td", { className: "cwb-layer-action" }, toggle),
  );

  // Made when it is first opened: a network may have a hundred layers.
  let controls = [];
  const clear = make("button", {
    type: "button", text: "Follow all sliders again",
    onclick: () => link.change((position) => delete position.overrides[name]),
  });
  const group = make("div", { role: "group", "aria-label": `Sliders of layer ${label}` }, clear);
  const editor = make("tr", { id: editorId, className: "cwb-editor", hidden: true }, make("td", { colspan: LAYER_COLUMNS.length }, group));

  function open(wanted) {
    if (wanted && !controls.length) {
      controls = catalogue.sliders.map((slider) => createOverride(link, slider, name, label));
      group.prepend(...controls.map((one) => one.root));
      follow(link.position);
    }
    setShown(editor, wanted);
    toggle.setAttribute("aria-expanded", String(wanted));
    setText(toggle, wanted ? "Close" : "Adjust");
  }

  function follow(position) {
    const own = position.overrides[name] ?? {};
    setShown(apart, Object.keys(own).length > 0);
    clear.setAttribute("aria-disabled", String(Object.keys(own).length === 0));
    for (const control of controls) control.follow(position, own);
  }

  return {
    rows: [row, remark, editor],
    follow,
    minds: curve.show,
    show(facts) {
      setText(kind, facts.kind);
      setText(note, facts.note);
      setText(latencyNote, facts.latency_note);
      setShown(remark, Boolean(facts.note || facts.latency_note));
      setText(latency, facts.latency);
      setText(dense, facts.dense_latency);
      remark.classList.toggle("cwb-above", facts.above_break_even);
      setText(bytes, facts.bytes);
      setText(change, facts.change);
      setText(density, facts.density_text);
      setText(nonzeros, facts.nonzeros);
      setText(rank, facts.rank);
      setText(breakEven, facts.break_even);
      for (const [key, cell] of Object.entries(cells)) setText(cell, facts[key]);
      row.classList.toggle("cwb-above", facts.above_break_even);
      bar.style.setProperty("--cwb-was", facts.original_share);
      bar.style.setProperty("--cwb-now", facts.share);
    },
  };
}

function createOverride(link, slider, name, label) {
  const { axis } = slider;
  const moved = (stop) =>
    link.change((position) => {
      giveOwn(position, [name], axis, stop);
    });
  const range = makeRange(slider, slider.label, moved, () => link.reach(axis, name));
  range.input.setAttribute("aria-label", `${slider.label} of layer ${label}`);
  const clear = make("button", {
    type: "button", className: "cwb-quiet", text: "Clear", "aria-label": `Clear ${slider.label} of layer ${label}`,
    onclick: () =>
      link.change((position) => {
        takeOwn(position, [name], axis);
      }),
  });
  const root = make(
    "div",
    { className: "cwb-override", "data-axis": axis },
    make("div", { className: "cwb-slider-head" }, range.label, range.output),
    make("div", { className: "cwb-override-row" }, range.input, clear),
  );
  return {
    root,
    follow(position, own) {
      const set = own[axis] !== undefined;
      const stop = set ? own[axis] : position.stops[axis];
      range.show(stop, set ? stopText(slider, stop) : `${stopText(slider, stop)}, as the slider`);
      root.classList.toggle("cwb-set", set);
      clear.setAttribute("aria-disabled", String(!set));
    },
  };
}

export function createLayers({ model, link, catalogue, signal }) {
  const body = make("tbody");
  const clear = make("button", {
    type: "button", text: "All follow the sliders",
    onclick: () =>
      link.change((position) => {
        position.overrides = {};
      }),
  });
  const count = make("span", { className: "cwb-muted" });
  const head = LAYER_COLUMNS.map((name) => {
    const word = catalogue.words[name];
    return word ? make("th", { scope: "col" }, makeWord("", name, word)) : make("th", { scope: "col", text: name || "Adjust" });
  });
  const besideText = make("summary");
  const besideList = make("ul");
  const beside = make("details", { className: "cwb-beside", hidden: true }, besideText, besideList);
  const table = make("table", {}, make("thead", {}, make("tr", {}, ...head)), body);
  const root = make(
    "section",
    { className: "cwb-layers", "aria-label": "Layers" },
    make("div", { className: "cwb-card-head" }, count, clear),
    make("div", { className: "cwb-scroll", tabindex: 0, role: "region", "aria-label": "Layer table" }, table),
    beside,
  );
  let names = "";
  let rows = new Map();
  let minded = null; // the network whose layers are known to mind so much

  const heard = (message) => {
    if (message.kind !== "sensitivity" || message.model !== link.position.model) return;
    for (const row of message.layers) rows.get(row.layer)?.minds(row, message.stops);
    if (message.layers.length) minded = message.model;
    table.classList.toggle("cwb-minded", minded === message.model);
  };
  model.on("msg:custom", heard);
  signal.addEventListener("abort", () => model.off("msg:custom", heard));

  link.listen(({ state, position, current }) => {
    const wanted = JSON.stringify(state.layers.map((one) => one.name));
    if (wanted !== names) {
      names = wanted;
      rows = new Map(state.layers.map((one) => [one.name, createLayerRow(link, catalogue, one)]));
      body.replaceChildren(...[...rows.values()].flatMap((one) => one.rows));
    }
    for (const facts of state.layers) {
      rows.get(facts.name).show(facts);
      rows.get(facts.name).follow(position);
    }
    setShown(beside, Boolean(state.beside));
    setText(besideText, state.beside?.summary ?? "");
    setItems(besideList, state.beside?.owners ?? []);
    const apart = Object.keys(position.overrides).length;
    setText(count, apart ? `${apart} with values of their own` : `${state.layers.length} layers, all following the sliders`);
    setShown(clear, apart > 0);
    table.classList.toggle("cwb-timed", state.latency !== null);
    table.classList.toggle("cwb-minded", minded === position.model);
    root.dataset.current = String(current);
  });
  return { name: "layers", title: "Layers", root };
}

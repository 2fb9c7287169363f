// The top of the panel: which network and device, undo, reset, export, how far the measurement is, cancel, and errors.

import { make, makeSelect, setItems, setShown, setText } from "./elements.js";

export function createHeader(link, catalogue, history) {
  const models = makeSelect("Network", catalogue.models.map((one) => [one.name, one.name]), (name) =>
    link.change((position) => {
      position.model = name;
      position.overrides = {}; // they name layers of the network that is left
    }),
  );
  const devices = makeSelect("Device for energy", catalogue.devices.map((one) => [one.name, one.title]), (name) =>
    link.change((position) => {
      position.device = name;
    }),
  );
  const summary = make("p", { className: "cwb-help cwb-summary" });
  const exporter = make("button", { type: "button", className: "cwb-primary", text: "Export .cwb", onclick: () => save() });
  const reset = make("button", { type: "button", text: "Reset", title: "Back to the original network: every slider off, no other steps", onclick: () => clear() });
  const bar = make("progress", { max: 1, value: 0, "aria-label": "How much has been measured" });
  const status = make("span", { className: "cwb-status" });
  const cancel = make("button", { type: "button", text: "Cancel", onclick: () => stop() });
  const error = make("p", { className: "cwb-error", role: "alert", hidden: true });
  const remark = make("p", { className: "cwb-remark", hidden: true });
  const notes = make("ul", { className: "cwb-notes", hidden: true });
  let running = false;

  function stop() {
    if (running) link.ask("cancel");
  }

  function save() {
    exporter.setAttribute("aria-busy", "true");
    setText(exporter, "Exporting…");
    link.ask("export");
  }

  function saved() {
    exporter.removeAttribute("aria-busy");
    setText(exporter, "Export .cwb");
  }

  function clear() {
    link.change((position) => {
      for (const slider of catalogue.sliders) position.stops[slider.axis] = slider.off;
      position.overrides = {};
      position.steps = [...catalogue.order];
    });
  }

  link.listen(({ state, position, current, silent }) => {
    models.select.value = position.model;
    devices.select.value = position.device;
    setText(summary, catalogue.models.find((one) => one.name === position.model)?.summary ?? "");
    const ended = current && state.stage !== "latency" && (state.progress >= 1 || state.stage === "cancelled");
    running = !state.error && !ended;
    bar.value = current ? state.progress : 0;
    setText(status, current || state.error ? state.status : "Measuring…");
    cancel.setAttribute("aria-disabled", String(!running));
    bar.classList.toggle("cwb-idle", !running);
    const sentence = silent ? "The kernel has not answered for ten seconds. If it is not busy with something else, reload the page to start anew." : state.error;
    setText(error, sentence);
    setShown(error, Boolean(sentence));
    if (sentence) saved();
    setText(remark, state.foreign);
    setShown(remark, Boolean(state.foreign));
    setItems(notes, state.notes);
    setShown(notes, state.notes.length > 0);
  });

  const root = make(
    "header",
    { className: "cwb-header" },
    make("h2", { text: "Compression workbench" }),
    models.root,
    devices.root,
    make("div", { className: "cwb-actions" }, ...history, reset, exporter),
    summary,
    make("div", { className: "cwb-progress" }, status, bar, cancel),
    remark,
    notes,
  );
  return { root, error, saved };
}

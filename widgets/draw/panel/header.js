// The bar on top: which network and device, undo, redo, reset, export.

import { make, makeSelect, setText } from "./elements.js";
import { createRecipe } from "./recipe.js";
import { explain, makeInfo } from "./tip.js";

export function createHeader(page) {
  const { link, catalogue, model, signal } = page;
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
  const recipe = createRecipe(page);
  const about = makeInfo("What this is", "");
  models.root.append(about);
  const exporter = make("button", { type: "button", className: "cwb-primary", text: "Export .cwb", onclick: () => save() });
  const reset = make("button", { type: "button", text: "Reset", title: "Back to the original network: every slider off, no other steps", onclick: () => clear() });

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

  link.listen(({ state, position }) => {
    models.select.value = position.model;
    devices.select.value = position.device;
    explain(about, catalogue.models.find((one) => one.name === position.model)?.summary ?? "");
    if (state.error) saved();
  });
  const heard = (message) => message.kind === "file" && saved();
  model.on("msg:custom", heard);
  signal.addEventListener("abort", () => model.off("msg:custom", heard));

  return make(
    "header",
    { className: "cwb-header" },
    make("h2", { text: "Compression workbench" }),
    models.root,
    devices.root,
    make("div", { className: "cwb-actions" }, ...page.history.buttons, reset, ...recipe, exporter),
  );
}

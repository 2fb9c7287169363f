// How much accuracy falls when one layer alone is compressed: asked for here, measured by the kernel in its idle time.

import { make, setText } from "./elements.js";

// axisShown: which axis is looked at. onchange is called with whether it has just been asked for, or whenever more is
// known.
export function createSensitivity({ model, link, signal }, axisShown, onchange) {
  const found = new Map(); // axis -> the newest message on it
  let asked = null; // the axis that is being measured, or has been
  let network = null;

  const button = make("button", { type: "button", className: "cwb-quiet", onclick: press });

  const running = () => asked !== null && !found.get(asked)?.done;
  // Of the network that the controls are at: the kernel may be at the one before still.
  const known = () => (network === link.position.model ? found.get(axisShown()) : undefined);
  const measured = () => Boolean(known()?.done && known().layers.size);

  function press() {
    if (running()) ask(null);
    else if (!measured()) ask(axisShown());
    onchange(asked !== null);
  }

  function ask(axis) {
    asked = axis;
    if (axis !== null) found.delete(axis);
    model.send({ kind: "sensitivity", axis });
    show();
  }

  function show() {
    const progress = Math.floor(100 * (found.get(asked)?.progress ?? 0));
    button.setAttribute("aria-disabled", String(measured() && !running()));
    setText(button, running() ? `Stop measuring, ${progress} %` : measured() ? "Sensitivity measured" : "Measure sensitivity");
  }

  function heard(message) {
    if (message.kind !== "sensitivity" || message.model !== link.position.model) return;
    found.set(message.axis, { ...message, layers: new Map(message.layers.map((one) => [one.layer, one])) });
    show();
    onchange(false);
  }

  model.on("msg:custom", heard);
  signal.addEventListener("abort", () => model.off("msg:custom", heard));
  show();
  return {
    button,
    get running() {
      return running();
    },
    // Of one layer on the axis shown: its words, and a cell for each of the stops, mild to harsh, undefined where it is
    // not measured yet.
    of(layer) {
      const row = known()?.layers.get(layer);
      return row && { text: row.text, cells: known().stops.map(({ stop }) => row.cells.find((cell) => cell.stop === stop)) };
    },
    // How the measurement stands, and the layer that minds most.
    get standing() {
      return known() ? { status: known().status, most: known().order[0] } : null;
    },
    // Another axis or network is looked at: what was begun is gone on with there.
    turn() {
      const other = network !== link.position.model;
      if (other) found.clear();
      network = link.position.model;
      if (asked !== null && (other || asked !== axisShown())) ask(axisShown());
      else show();
    },
  };
}

// The one way to the kernel and back. A move holds where every control stands, so a later one can replace it unsent.

import { createForesight } from "./foresight.js";

export function createLink(model, signal) {
  const state = () => model.get("state");
  const foresight = createForesight(model, signal, () => tell({}));
  let position = structuredClone(state().position);
  let seq = state().seq;
  let wanted = { cancel: 0, export: 0, latency: 0, train: 0, stop: 0, follow: 0 };
  let waiting = null;
  let moved = 0;
  const listeners = [];

  function send() {
    seq += 1;
    moved = performance.now();
    model.set("move", { seq, position: structuredClone(position), ...wanted });
    model.save_changes();
    clearTimeout(waiting);
    waiting = setTimeout(() => tell({ silent: true }), 10000);
    tell({});
  }

  function tell({ silent = false }) {
    const now = state();
    // Figures count as current only when the kernel has heard the newest move of this page, and they are that move's.
    const heard = now.seq >= seq;
    const current = heard && now.fresh;
    // Until then the costs may be known: what the controls show, not what was set in Python or has been refused.
    const ahead = current || now.foreign || (heard && now.error) ? null : foresight.at(position);
    for (const listener of listeners) listener({ state: now, seq, position, current, ahead, foreseen: foresight.size, silent });
  }

  function received() {
    const now = state();
    if (now.seq >= seq) {
      seq = now.seq;
      position = structuredClone(now.position);
      clearTimeout(waiting);
    }
    tell({});
  }

  model.on("change:state", received);
  signal.addEventListener("abort", () => {
    clearTimeout(waiting);
    model.off("change:state", received);
  });

  return {
    get position() {
      return position;
    },
    // When the last move was made, in milliseconds of the page's clock.
    get moved() {
      return moved;
    },
    change(edit) {
      edit(position);
      send();
    },
    ask(what) {
      wanted = { ...wanted, [what]: seq + 1 };
      send();
    },
    // The visitor has come to a slider, whose costs the kernel may work out ahead.
    reach(axis, layer) {
      model.send({ kind: "reach", axis, layer });
    },
    listen(listener) {
      listeners.push(listener);
    },
    start: () => tell({}),
  };
}

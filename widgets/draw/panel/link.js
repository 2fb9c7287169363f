// The one way to the kernel and back. A move holds where every control stands, so a later one can replace it unsent.

import { createForesight } from "./foresight.js";

// Figures of another network than the controls are at are not even worth dimming.
function shown(state, network, lost) {
  const error = lost || state.error;
  if (state.network === network) return { ...state, error };
  const unknown = { value: null, change: "", details: [], bar: [], original: null, note: "", interim: false };
  const tiles = state.tiles.map((tile) => ({ ...tile, ...unknown }));
  return { ...state, error, tiles, layers: [], beside: null, remarks: [], latency: null, kind: "", recipe: "", spoken: "" };
}

export function createLink(model, signal) {
  const state = () => model.get("state");
  const foresight = createForesight(model, signal, () => tell());
  let position = structuredClone(state().position);
  let proposal; // a position that the kernel has not looked at yet, whatever it is; undefined where there is none
  let seq = state().seq;
  let wanted = { cancel: 0, export: 0, latency: 0, train: 0, stop: 0, follow: 0 };
  let moved = 0;
  let lost = ""; // why nothing is answered any more
  let remark = ""; // on the page itself, until the next move
  const listeners = [];

  function send() {
    seq += 1;
    moved = performance.now();
    remark = "";
    model.set("move", { seq, position: structuredClone(proposal === undefined ? position : proposal), ...wanted });
    model.save_changes();
    tell();
  }

  function tell() {
    const now = shown(state(), position.model, lost);
    // Figures count as current only when the kernel has heard the newest move of this page, and they are that move's.
    const heard = now.seq >= seq;
    const current = heard && now.fresh;
    // Until then the costs may be known: what the controls show, not what was set in Python or has been refused.
    const ahead = current || now.foreign || (heard && now.error) ? null : foresight.at(position);
    for (const listener of listeners) listener({ state: { ...now, remark }, seq, position, current, ahead, foreseen: foresight.size });
  }

  function received() {
    const now = state();
    if (now.seq >= seq) {
      seq = now.seq;
      position = structuredClone(now.position);
      proposal = undefined;
    }
    tell();
  }

  model.on("change:state", received);
  signal.addEventListener("abort", () => model.off("change:state", received));

  return {
    get position() {
      return position;
    },
    // When the last move was made, in milliseconds of the page's clock.
    get moved() {
      return moved;
    },
    change(edit) {
      proposal = undefined;
      edit(position);
      send();
    },
    // A position from elsewhere, which the kernel looks at first: the controls follow its answer.
    propose(place) {
      proposal = structuredClone(place);
      send();
    },
    // Whether the controls still wait for that answer.
    get proposing() {
      return proposal !== undefined;
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
    // Whether the kernel has heard the newest move.
    get heard() {
      return state().seq >= seq;
    },
    // Nothing is answered any more, or all is again: "".
    lose(sentence) {
      if (sentence === lost) return;
      lost = sentence;
      tell();
    },
    remark(sentence) {
      remark = sentence;
      tell();
    },
    start: () => tell(),
  };
}

// The one way to the kernel and back. What a visitor wishes is where the sliders stand, the goals and the usage; a later
// wish replaces an earlier one unsent. A page that is loaded again wishes what it wished before.

import { recall, remember } from "../panel/keeping.js";
import { ofItsOwn } from "../panel/watch.js";

const WISHES = "cwb-wishes";

export function createTalk(model, signal) {
  const state = () => model.get("state");
  const wished = () => structuredClone({ stops: state().stops, goals: state().goals, usage: state().usage });
  let wishes = wished();
  let seq = state().seq;
  let lost = "";
  const listeners = [];

  const heard = () => state().seq >= seq;

  function tell() {
    const now = state();
    for (const listener of listeners) listener({ state: now, seq, wishes, current: heard() && now.fresh, lost });
  }

  function received() {
    if (heard()) {
      seq = state().seq;
      wishes = wished();
    }
    tell();
  }

  function change(edit) {
    edit(wishes);
    seq += 1;
    model.set("move", { seq, ...structuredClone(wishes) });
    model.save_changes();
    if (ofItsOwn()) remember("sessionStorage", WISHES, JSON.stringify(wishes));
    tell();
  }

  model.on("change:state", received);
  signal.addEventListener("abort", () => model.off("change:state", received));
  return {
    change,
    ask: (kind) => model.send({ kind }),
    // Whether the kernel has heard the newest wish.
    get heard() {
      return heard();
    },
    // Why nothing comes from the kernel any more, or "".
    lose(sentence) {
      lost = sentence;
      tell();
    },
    listen(listener) {
      listeners.push(listener);
    },
    start() {
      const kept = ofItsOwn() && recall("sessionStorage", WISHES);
      if (kept && kept !== JSON.stringify(wishes)) change((wishes) => Object.assign(wishes, JSON.parse(kept)));
      else tell();
    },
  };
}

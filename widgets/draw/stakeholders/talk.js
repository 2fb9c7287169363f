// The one way to the kernel and back. What a visitor wishes is where the sliders stand, the goals and the usage; a later
// wish replaces an earlier one unsent. A page of its own wishes at first what its address says.

import { ofItsOwn } from "../panel/watch.js";
import { wishesAddress, wishesOf } from "./place.js";

const OFTEN = 300; // milliseconds between two changes of the address, which browsers count
const STRANGE = "This link does not say where the controls stand, so the page opens as usual.";

export function createTalk(model, signal) {
  const state = () => model.get("state");
  const wished = () => structuredClone({ stops: state().stops, goals: state().goals, usage: state().usage });
  let wishes = wished();
  let seq = state().seq;
  let lost = "";
  let remark = ""; // on the link, until the next wish
  let written = location.hash;
  let timer = null;
  const listeners = [];

  const heard = () => state().seq >= seq;

  function tell() {
    const now = state();
    for (const listener of listeners) listener({ state: now, seq, wishes, current: heard() && now.fresh, lost: lost || remark });
  }

  function received() {
    if (heard()) {
      seq = state().seq;
      wishes = wished();
    }
    tell();
  }

  function write() {
    timer = null;
    written = wishesAddress(wishes);
    if (written !== location.hash) history.replaceState(history.state, "", written);
  }

  // At once, but for a control that is dragged: a page that is left at that moment is found again.
  function follow() {
    if (timer !== null) return;
    write();
    timer = setTimeout(write, OFTEN);
  }

  // Whether the address says something that could be wished.
  function open() {
    const found = wishesOf(location.hash);
    remark = found || !location.hash ? "" : STRANGE;
    if (!found || wishesAddress(found) === wishesAddress(wishes)) return false;
    change((wishes) => Object.assign(wishes, found));
    return true;
  }

  function change(edit) {
    remark = "";
    edit(wishes);
    seq += 1;
    model.set("move", { seq, ...structuredClone(wishes) });
    model.save_changes();
    if (ofItsOwn()) follow();
    tell();
  }

  model.on("change:state", received);
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    model.off("change:state", received);
  });
  if (ofItsOwn()) window.addEventListener("hashchange", () => location.hash !== written && (open() || tell()), { signal });
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
      if (!ofItsOwn() || !open()) tell();
    },
  };
}

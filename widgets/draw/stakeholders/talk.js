// The one way to the kernel and back. What a visitor wishes is where the sliders stand, the goals and the usage; a later
// wish replaces an earlier one unsent.

export function createTalk(model, signal) {
  const state = () => model.get("state");
  const wished = () => structuredClone({ stops: state().stops, goals: state().goals, usage: state().usage });
  let wishes = wished();
  let seq = state().seq;
  let waiting = null;
  const listeners = [];

  function tell(silent) {
    const now = state();
    const current = now.seq >= seq && now.fresh;
    for (const listener of listeners) listener({ state: now, seq, wishes, current, silent });
  }

  function received() {
    const now = state();
    if (now.seq >= seq) {
      seq = now.seq;
      wishes = wished();
      clearTimeout(waiting);
    }
    tell(false);
  }

  model.on("change:state", received);
  signal.addEventListener("abort", () => {
    clearTimeout(waiting);
    model.off("change:state", received);
  });
  return {
    change(edit) {
      edit(wishes);
      seq += 1;
      model.set("move", { seq, ...structuredClone(wishes) });
      model.save_changes();
      clearTimeout(waiting);
      waiting = setTimeout(() => tell(true), 10000);
      tell(false);
    },
    ask: (kind) => model.send({ kind }),
    listen(listener) {
      listeners.push(listener);
    },
    start: () => tell(false),
  };
}

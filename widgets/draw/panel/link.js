// The one way to the kernel and back. A move holds where every control stands, so a later one can replace it unsent.

function createLink(model, signal) {
  const state = () => model.get("state");
  let position = structuredClone(state().position);
  let seq = state().seq;
  let wanted = { cancel: 0, export: 0, latency: 0 };
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
    const current = now.seq >= seq && now.fresh;
    for (const listener of listeners) listener({ state: now, seq, position, current, silent });
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
    listen(listener) {
      listeners.push(listener);
    },
    start: () => tell({}),
  };
}

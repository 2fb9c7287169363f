// Runs in the dashboard's page: when each move of a slider was made, and when the page changed in answer to it.
(() => {
  const root = document.querySelector(".cwb");
  const data = root.dataset;
  const figures = ["size", "operations", "energy"];
  const watch = { moves: [], changes: [], released: 0, seen: "" };
  let pointer = 0;
  const waiting = new Map(); // what is waited for -> what to call then

  const stamp = (event) => (pointer = event.timeStamp);
  addEventListener("pointerdown", stamp, { capture: true });
  addEventListener("pointermove", stamp, { capture: true });
  addEventListener("pointerup", () => (watch.released = performance.now()), { capture: true });
  // After the slider's own listener, which numbers the move.
  document.addEventListener("input", () => watch.moves.push({ number: Number(data.asked), at: pointer }));

  function tile(key) {
    return root.querySelector(`.cwb-tile[data-key="${key}"]`)?.dataset ?? {};
  }

  function at(stages) {
    const shown = data.asked === data.answered && [...figures, "accuracy"].every((key) => tile(key).current === "true");
    return data.stage === "error" || (shown && stages.includes(data.stage));
  }

  new MutationObserver(() => {
    const seen = `${data.answered} ${data.stage} ${data.costs}`;
    if (seen !== watch.seen) {
      watch.seen = seen;
      const change = {
        at: performance.now(), painted: Infinity, stage: data.stage,
        asked: Number(data.asked), answered: Number(data.answered), costs: Number(data.costs),
      };
      watch.changes.push(change);
      // The frame is painted after its callbacks, and a message's task comes after that.
      requestAnimationFrame(() => {
        const channel = new MessageChannel();
        channel.port1.onmessage = () => (change.painted = performance.now());
        channel.port2.postMessage(null);
      });
    }
    for (const [stages, resolve] of waiting) {
      if (!at(stages)) continue;
      waiting.delete(stages);
      resolve();
    }
  }).observe(root, { subtree: true, childList: true, attributes: true, characterData: true });

  // Until the newest move is at one of `stages` and that has been painted.
  watch.until = (stages) =>
    new Promise((resolve) => (at(stages) ? resolve() : waiting.set(stages, resolve))).then(
      () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 0))),
    );
  watch.take = () => {
    const { moves, changes, released } = watch;
    Object.assign(watch, { moves: [], changes: [] });
    return { moves, changes, released, failed: data.stage === "error" ? root.querySelector(".cwb-error").textContent : "" };
  };
  window.workbenchWatch = watch;
})();

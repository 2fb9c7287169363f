// Undo and redo: where the controls came to rest. Going back is a move like any other, and its figures are remembered.

const MOST_PLACES = 100;
const REST = 1000; // milliseconds; a run of keys with shorter pauses is one gesture, and so is a drag until its release

// The same words for the same place: the kernel orders layers' and methods' settings in its own way.
function placeKey(position) {
  return JSON.stringify(position, (_, value) =>
    value && typeof value === "object" ? Object.fromEntries(Object.entries(value).sort()) : value,
  );
}

function createHistory(link, root, signal) {
  const past = [];
  const future = [];
  let rest = structuredClone(link.position); // null for a recipe that no position of the controls gives
  let now = placeKey(rest);
  let restKey = now;
  let foreign = false;
  let pressed = false;
  let timer = null;

  const makeButton = (text, title, keys, onclick) =>
    make("button", { type: "button", text, title, "aria-keyshortcuts": keys, "aria-disabled": "true", onclick });
  const undo = makeButton("Undo", "The controls back to where they were before (Ctrl+Z)", "Control+Z Meta+Z", () => go(past, future));
  const redo = makeButton("Redo", "The controls to where they were before Undo (Ctrl+Y)", "Control+Y Control+Shift+Z Meta+Shift+Z", () => go(future, past));

  // The controls are at rest: where they rested before is what undo goes back to.
  function settle() {
    clearTimeout(timer);
    timer = null;
    if (now === restKey) return;
    if (rest) past.push(rest);
    if (past.length > MOST_PLACES) past.shift();
    future.length = 0;
    rest = foreign ? null : structuredClone(link.position);
    restKey = now;
    enable();
  }

  function go(from, to) {
    settle();
    if (!from.length) return;
    if (rest) to.push(rest);
    rest = from.pop();
    restKey = placeKey(rest);
    link.change((position) => Object.assign(position, structuredClone(rest)));
  }

  function enable() {
    const moved = now !== restKey;
    undo.setAttribute("aria-disabled", String(!past.length && !(moved && rest)));
    redo.setAttribute("aria-disabled", String(moved || !future.length));
  }

  link.listen(({ state, seq, position }) => {
    const key = placeKey(position);
    const heard = state.seq >= seq;
    if (heard || key !== now) foreign = heard && Boolean(state.foreign);
    const place = foreign ? "" : key;
    ...
  });
}

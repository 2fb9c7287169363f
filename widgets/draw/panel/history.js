// Undo and redo over the places where the controls came to rest. Going back is a move like any other.

import { make } from "./elements.js";

const MOST_PLACES = 100;
const REST = 1000; // milliseconds; a run of keys with shorter pauses is one gesture, as a drag is until its release

// The same words for the same place: the kernel has an order of its own for the settings of methods and layers.
export function placeKey(position) {
  return JSON.stringify(position, (_, value) =>
    value && typeof value === "object" ? Object.fromEntries(Object.entries(value).sort()) : value,
  );
}

export function createHistory({ link, root, signal }) {
  const past = [];
  const future = [];
  // A recipe set in Python may have no position: its place is null, one can go back from it and not to it.
  let rest = null;
  let restKey = null;
  let nowKey = null;
  let positionKey = null;
  let foreign = false;
  let control = null;
  let pressed = false;
  let timer = null;

  const makeButton = (name, sign, title, keys, onclick) =>
    make("button", { type: "button", className: "cwb-sign", text: sign, title, "aria-label": name, "aria-keyshortcuts": keys, onclick });
  const undo = makeButton("Undo", "↶", "Undo: every control back to where it stood before the last change (Ctrl+Z)", "Control+Z Meta+Z", () => go(past, future));
  const redo = makeButton("Redo", "↷", "Redo: every control to where it stood before Undo (Ctrl+Y)", "Control+Y Control+Shift+Z Meta+Shift+Z", () => go(future, past));

  function settle() {
    clearTimeout(timer);
    if (nowKey === restKey) return;
    if (rest) past.push(rest);
    if (past.length > MOST_PLACES) past.shift();
    future.length = 0;
    rest = foreign ? null : structuredClone(link.position);
    restKey = nowKey;
    enable();
  }

  function go(from, to) {
    settle();
    if (!from.length) return;
    if (rest) to.push(rest);
    rest = from.pop();
    restKey = nowKey = placeKey(rest);
    foreign = false;
    link.change((position) => Object.assign(position, structuredClone(rest)));
  }

  function enable() {
    const moved = nowKey !== restKey;
    undo.setAttribute("aria-disabled", String(!past.length && !(moved && rest)));
    redo.setAttribute("aria-disabled", String(moved || !future.length));
  }

  function release() {
    if (!pressed) return;
    pressed = false;
    settle();
  }

  link.listen(({ state, seq, position }) => {
    const key = placeKey(position);
    if (state.seq >= seq) foreign = Boolean(state.foreign);
    else if (key !== positionKey) foreign = false;
    positionKey = key;
    const place = foreign ? "foreign" : key;
    if (place !== nowKey) {
      nowKey = place;
      clearTimeout(timer);
      if (restKey === null) settle();
      else timer = setTimeout(() => pressed || settle(), REST);
    }
    enable();
  });

  // Another control, another gesture. A slider hears of a press before it gets the focus.
  const touched = ({ target }) => {
    if (target !== control && !pressed) settle();
    control = target;
  };
  for (const event of ["focusin", "input", "change", "click"]) root.addEventListener(event, touched, { capture: true });
  root.addEventListener("pointerdown", (event) => {
    settle();
    pressed = event.target.type === "range"; // the list of a select swallows the release
  });
  for (const end of ["pointerup", "pointercancel"]) window.addEventListener(end, release, { signal });
  root.addEventListener("keydown", (event) => {
    const held = (event.ctrlKey || event.metaKey) && !event.altKey;
    if (!held || event.target.type === "number") return; // a text has an undo of its own
    const key = event.key.toLowerCase();
    const back = key === "z" && !event.shiftKey;
    if (!back && key !== "z" && !(key === "y" && event.ctrlKey)) return;
    event.preventDefault();
    event.stopPropagation();
    (back ? undo : redo).click();
  });
  signal.addEventListener("abort", () => clearTimeout(timer));
  return [undo, redo];
}

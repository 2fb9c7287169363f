// Undo and redo over the places where the controls came to rest. Going back is a move like any other.

import { make } from "./elements.js";
import { createPlaces, placeKey } from "./places.js";

const MOST_STEPS = 100;
const REST = 1000; // milliseconds; a run of keys with shorter pauses is one gesture, as a drag is until its release
const WRITING = 'textarea, input:not([type="range"], [type="checkbox"])'; // which have an undo of their own

export function createHistory({ link, address, root, signal }) {
  const places = createPlaces();
  const { past, future } = places.way; // ids
  // A recipe set in Python may have no position: its place is null, one can go back from it and not to it.
  let rest = places.here;
  let restKey = rest && placeKey(places.at(rest).position);
  let nowKey = null;
  let positionKey = null;
  let foreign = false;
  let proposed = false; // the kernel is asked whether it knows the place `rest`
  let control = null;
  let pressed = false;
  let timer = null;
  const way = () => ({ past, future });

  const makeButton = (name, sign, title, keys, onclick) =>
    make("button", { type: "button", className: "cwb-sign", text: sign, title, "aria-label": name, "aria-keyshortcuts": keys, onclick });
  const undo = makeButton("Undo", "↶", "Undo: every control back to where it stood before the last change (Ctrl+Z)", "Control+Z Meta+Z", () => go(past, future));
  const redo = makeButton("Redo", "↷", "Redo: every control to where it stood before Undo (Ctrl+Y)", "Control+Y Control+Shift+Z Meta+Shift+Z", () => go(future, past));

  function settle() {
    clearTimeout(timer);
    if (!address.ready || proposed || nowKey === restKey) return;
    leave();
    rest = foreign ? null : places.reach(link.position, way);
    restKey = nowKey;
    enable();
  }

  // Another way is taken from here.
  function leave() {
    if (rest && places.at(rest)) past.push(rest);
    if (past.length > MOST_STEPS) past.shift();
    future.length = 0;
  }

  function go(from, to) {
    settle();
    while (from.length && !places.at(from.at(-1))) from.pop(); // it was deleted
    if (!from.length) return;
    if (rest && places.at(rest)) to.push(rest);
    move(from.pop());
  }

  function move(id) {
    const { position } = places.at(id);
    rest = id;
    restKey = nowKey = placeKey(position);
    foreign = false;
    places.go(id, way);
    proposed = !places.isOurs(id);
    if (!proposed) link.change((at) => Object.assign(at, structuredClone(position)));
    else link.propose(position);
    enable();
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
    if (!address.ready) return;
    const key = placeKey(position);
    if (state.seq >= seq) foreign = Boolean(state.foreign);
    else if (key !== positionKey) foreign = false;
    positionKey = key;
    const place = foreign ? "foreign" : key;
    if (proposed) {
      if (link.proposing) return; // the controls stand where they stood, which is no step
      proposed = false;
      if (place !== restKey) rest = foreign ? null : places.reach(position, way); // the kernel refused it
      restKey = nowKey = place;
      enable();
      return;
    }
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
    pressed = Boolean(event.target.closest('input[type="range"], [role="slider"]')); // the list of a select swallows the release
  });
  for (const end of ["pointerup", "pointercancel"]) window.addEventListener(end, release, { signal });
  root.addEventListener("keydown", (event) => {
    const held = (event.ctrlKey || event.metaKey) && !event.altKey;
    if (!held || event.target.matches(WRITING)) return;
    const key = event.key.toLowerCase();
    const back = key === "z" && !event.shiftKey;
    if (!back && key !== "z" && !(key === "y" && event.ctrlKey)) return;
    event.preventDefault();
    event.stopPropagation();
    (back ? undo : redo).click();
  });
  signal.addEventListener("abort", () => clearTimeout(timer));
  return {
    buttons: [undo, redo],
    places,
    // To any place, which can be undone.
    visit(id) {
      settle();
      if (id === rest) return;
      leave();
      move(id);
    },
    // The place where the controls are, once they have come to rest there.
    settle() {
      settle();
      return rest;
    },
  };
}

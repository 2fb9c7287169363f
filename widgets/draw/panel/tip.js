// Words that are explained on the spot: by the pointer, by the focus, and by a touch. One bubble a page shows them all.

import { make, newId, setText } from "./elements.js";

const sentences = new WeakMap();

// `element` can be focused, or is made so. The sentence may change; "" explains nothing.
export function explain(element, sentence) {
  sentences.set(element, sentence);
  element.classList.toggle("cwb-explained", Boolean(sentence));
  if (sentence) element.setAttribute("aria-description", sentence);
  else element.removeAttribute("aria-description");
  return element;
}

// A mark that does nothing but explain what it says.
export function makeWord(className, text, sentence = "") {
  const word = make("button", { type: "button", className: `cwb-word ${className}`, text });
  return explain(word, sentence);
}

// A question mark beside a control.
export function makeInfo(label, sentence) {
  const info = makeWord("cwb-info", "?", sentence);
  info.setAttribute("aria-label", label);
  return info;
}

export function createTip(root, signal) {
  const id = newId("tip");
  const bubble = make("div", { id, className: "cwb-tip", role: "tooltip", popover: "manual" });
  let owner = null;

  const explained = (target) => (target instanceof Element ? target.closest(".cwb-explained") : null);

  function show(element) {
    if (element === owner) return;
    hide();
    if (!element || !sentences.get(element)) return;
    owner = element;
    setText(bubble, sentences.get(element));
    bubble.showPopover();
    placeBeside(bubble, element);
  }

  function hide() {
    if (owner) bubble.hidePopover();
    owner = null;
  }

  root.addEventListener("pointerover", (event) => event.pointerType === "mouse" && show(explained(event.target)));
  root.addEventListener("focusin", (event) => show(event.target.matches(":focus-visible") ? explained(event.target) : null));
  root.addEventListener("focusout", hide);
  root.addEventListener("pointerleave", hide);
  root.addEventListener("click", (event) => {
    const word = explained(event.target)?.closest(".cwb-word");
    if (word && owner !== word) show(word);
  });
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !owner) return;
    hide();
    event.stopPropagation();
  }, { capture: true });
  window.addEventListener("scroll", hide, { capture: true, passive: true, signal });
  root.append(bubble);
}

// Below its owner where there is room, else above; never over the edge.
export function placeBeside(bubble, element) {
  const at = element.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = bubble;
  const below = at.bottom + 6 + height < innerHeight || at.top < height + 6;
  bubble.style.left = `${Math.max(8, Math.min(at.left, innerWidth - width - 8))}px`;
  bubble.style.top = `${Math.max(8, Math.min(below ? at.bottom + 6 : at.top - height - 6, innerHeight - height - 8))}px`;
}

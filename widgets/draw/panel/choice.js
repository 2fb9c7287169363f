// One of a few, all of them in view: radio buttons that look like the segments of one.

import { make, newId, setText } from "./elements.js";

// choices: [value, text]. onchange is called with the value that was taken.
export function makeChoice(label, choices, onchange) {
  const name = newId("choice");
  const counts = new Map();
  const inputs = new Map();
  const segments = choices.map(([value, text]) => {
    const id = newId("segment");
    const input = make("input", { type: "radio", id, name, value, onchange: () => onchange(value) });
    const count = make("span", { className: "cwb-muted" });
    inputs.set(value, input);
    counts.set(value, count);
    return make("span", { className: "cwb-segment" }, input, make("label", { for: id }, make("span", { text }), count));
  });
  const root = make("div", { className: "cwb-choice", role: "radiogroup", "aria-label": label }, ...segments);
  return {
    root,
    show(value) {
      inputs.get(value).checked = true;
    },
    // What stands beside a choice, and whether there is such a choice at all.
    tell(value, text, there = true) {
      setText(counts.get(value), text);
      inputs.get(value).parentElement.hidden = !there;
    },
  };
}

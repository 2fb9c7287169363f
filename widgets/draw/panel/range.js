// A native range input with its label and what it stands at in words.

import { make, newId, setText } from "./elements.js";

// How far a stop is from the untouched end, 0 to 1.
export function travel(slider, stop) {
  return Math.abs(stop - slider.off) / (slider.high - slider.low);
}

// oninput is called with the stop that the slider was put at, onreach when the pointer or the focus comes to it.
export function makeRange(slider, name, oninput, onreach) {
  const id = newId("range");
  const input = make("input", {
    type: "range",
    id,
    min: slider.low,
    max: slider.high,
    step: slider.step ?? 1,
    dir: slider.direction < 0 ? "rtl" : "ltr",
    oninput: () => oninput(Number(input.value)),
    onpointerenter: onreach,
    onfocus: onreach,
  });
  const label = make("label", { for: id, text: name });
  const output = make("output", { for: id });
  return {
    input,
    label,
    output,
    show(stop, text) {
      if (Number(input.value) !== stop) input.value = String(stop);
      input.style.setProperty("--cwb-travel", travel(slider, stop));
      input.setAttribute("aria-valuetext", text);
      setText(output, text);
    },
  };
}

// The three sliders, without methods and options. The untouched network is at the left end of each.

import { make, newId } from "../panel/elements.js";
import { makeRange } from "../panel/range.js";

// sliders: [{axis, label, help, low, high, off, direction, texts}]. onmove is called with an axis and its stop.
export function createStops(sliders, onmove) {
  const title = make("h3", { id: newId("stops"), text: "Or set it yourself" });
  const ranges = sliders.map((slider) => {
    const range = makeRange(slider, slider.label, (stop) => onmove(slider.axis, stop), () => {});
    const help = make("p", { id: newId("help"), className: "cwb-help", text: slider.help });
    range.input.setAttribute("aria-describedby", help.id);
    const head = make("div", { className: "cwb-slider-head" }, range.label, range.output);
    return { slider, range, root: make("div", { className: "cwb-stop", "data-axis": slider.axis }, head, range.input, help) };
  });
  return {
    root: make("section", { className: "cwb-card cwb-stops", "aria-labelledby": title.id }, title, ...ranges.map((one) => one.root)),
    show(stops) {
      for (const { slider, range } of ranges) range.show(stops[slider.axis], slider.texts[stops[slider.axis] - slider.low]);
    },
  };
}

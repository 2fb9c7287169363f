// The three global sliders. The untouched network is always at the left end, so moving right always compresses more.

import { makeAbout } from "./about.js";
import { make, makeSelect, setText } from "./elements.js";
import { makeRange, travel } from "./range.js";
import { makeSetting, withSetting } from "./settings.js";
import { makeInfo } from "./tip.js";

export function stopText(slider, stop) {
  return slider.texts[stop - slider.low];
}

function makeTicks(slider) {
  return make(
    "div",
    { className: "cwb-ticks", "aria-hidden": "true" },
    ...slider.ticks.map(([stop, text]) => make("span", { text, style: `--cwb-travel: ${travel(slider, stop)}` })),
  );
}

function createSlider(link, slider) {
  const { axis } = slider;
  const moved = (stop) =>
    link.change((position) => {
      position.stops[axis] = stop;
    });
  const range = makeRange(slider, slider.label, moved, () => link.reach(axis, null));
  range.input.setAttribute("aria-description", slider.help);
  const methods = makeSelect(`${slider.label} method`, slider.methods.map((one) => [one.name, one.title]), (name) =>
    link.change((position) => {
      position.methods[axis] = name;
      position.options[axis] = {};
    }),
  );
  const source = make("p", { className: "cwb-help" });
  const fields = make("div", { className: "cwb-options" });
  const { button: opener, about } = makeAbout(
    make("button", { type: "button", className: "cwb-quiet", text: "Options", "aria-label": `Options and source of ${slider.label.toLowerCase()}` }),
    `Options and source of ${slider.label.toLowerCase()}`,
    [source, fields],
  );
  let shownMethod = null;
  let options = [];

  function showMethod(method) {
    options = method.options.map((option) =>
      makeSetting(option, (value) =>
        link.change((position) => {
          position.options[axis] = withSetting(position.options[axis], option, value);
        }),
      ),
    );
    fields.replaceChildren(...options.map((option) => option.root));
    setText(source, `${method.help} Source: ${method.paper}.`);
    shownMethod = method.name;
  }

  link.listen(({ position }) => {
    const stop = position.stops[axis];
    range.show(stop, stopText(slider, stop));
    methods.select.value = position.methods[axis];
    const method = slider.methods.find((one) => one.name === position.methods[axis]);
    if (method && shownMethod !== method.name) showMethod(method);
    for (const option of options) option.show(position.options[axis]);
  });

  const chosen = make("div", { className: "cwb-method" }, methods.root, opener, about);
  return make(
    "section",
    { className: "cwb-slider", "data-axis": axis },
    make("div", { className: "cwb-slider-head" }, range.label, makeInfo(`About ${slider.label.toLowerCase()}`, slider.help), range.output),
    range.input,
    makeTicks(slider),
    chosen,
  );
}

export function createSliders({ link, catalogue }) {
  return make(
    "section",
    { className: "cwb-sliders", "aria-label": "Sliders" },
    ...catalogue.sliders.map((slider) => createSlider(link, slider)),
  );
}

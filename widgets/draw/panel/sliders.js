// The three global sliders. The untouched network is always at the left end, so moving right always compresses more.

function stopText(slider, stop) {
  if (stop === slider.off) return slider.off_text;
  if (slider.unit === "bits") return stop === 1 ? "1 bit" : `${stop} bits`;
  return `${stop} %`;
}

// How far a stop is from the untouched end, 0 to 1.
function travel(slider, stop) {
  return Math.abs(stop - slider.off) / (slider.high - slider.low);
}

// oninput is called with the stop that the slider was put at, onreach when the pointer or the focus comes to it.
function makeRange(slider, name, oninput, onreach) {
  const id = newId("range");
  const input = make("input", {
    type: "range",
    id,
    min: slider.low,
    max: slider.high,
    step: 1,
    dir: slider.off === slider.high ? "rtl" : "ltr",
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

function makeTicks(slider) {
  const stops =
    slider.unit === "bits"
      ? Array.from({ length: slider.high - slider.low + 1 }, (_, index) => slider.low + index)
      : [slider.low, 25, 50, 75, slider.high];
  return make(
    "div",
    { className: "cwb-ticks", "aria-hidden": "true" },
    ...stops.map((stop) => {
      const text = stop === slider.off && slider.unit === "bits" ? "32" : String(stop);
      return make("span", { text, style: `--cwb-travel: ${travel(slider, stop)}` });
    }),
  );
}

function makeOption(option, onchange) {
  if (option.choices.length) {
    return makeSelect(option.label, option.choices.map((one) => [one, one]), onchange, option.help);
  }
  const id = newId("option");
  const helpId = newId("help");
  const select = make("input", {
    type: "number", id, min: option.low, max: option.high, step: option.step ?? "any", "aria-describedby": helpId,
    onchange: () => onchange(Number(select.value)),
  });
  const label = make("label", { for: id, text: option.label });
  const help = make("p", { id: helpId, className: "cwb-help", text: option.help });
  return { root: make("div", { className: "cwb-field" }, label, select, help), select };
}

function createSlider(link, slider) {
  const { axis } = slider;
  const moved = (stop) =>
    link.change((position) => {
      position.stops[axis] = stop;
    });
  const range = makeRange(slider, slider.label, moved, () => link.reach(axis, null));
  const helpId = newId("help");
  range.input.setAttribute("aria-describedby", helpId);
  const methods = makeSelect(`${slider.label} method`, slider.methods.map((one) => [one.name, one.title]), (name) =>
    link.change((position) => {
      position.methods[axis] = name;
      position.options[axis] = {};
    }),
  );
  const source = make("p", { className: "cwb-help" });
  const fields = make("div", { className: "cwb-options" });
  const more = make("details", {}, make("summary", { text: "Options and source" }), fields, source);
  let shownMethod = null;
  let options = [];

  function showMethod(method) {
    options = method.options.map((option) => ({
      option,
      ...makeOption(option, (value) =>
        link.change((position) => {
          position.options[axis] = { ...position.options[axis], [option.name]: value };
        }),
      ),
    }));
    fields.replaceChildren(...options.map((one) => one.root));
    setText(source, `${method.help} Source: ${method.paper}.`);
    shownMethod = method.name;
  }

  link.listen(({ position }) => {
    const stop = position.stops[axis];
    range.show(stop, stopText(slider, stop));
    methods.select.value = position.methods[axis];
    const method = slider.methods.find((one) => one.name === position.methods[axis]);
    if (method && shownMethod !== method.name) showMethod(method);
    for (const { option, select } of options) {
      select.value = String(position.options[axis][option.name] ?? option.default);
    }
  });

  methods.root.classList.add("cwb-method");
  return make(
    "section",
    { className: "cwb-slider", "data-axis": axis },
    make("div", { className: "cwb-slider-head" }, range.label, range.output),
    range.input,
    makeTicks(slider),
    make("p", { id: helpId, className: "cwb-help", text: slider.help }),
    methods.root,
    more,
  );
}

function createSliders(link, catalogue) {
  return make(
    "section",
    { className: "cwb-sliders", "aria-label": "Sliders" },
    ...catalogue.sliders.map((slider) => createSlider(link, slider)),
  );
}

// The settings of a method, each with the control that it asks for: a choice, a slider where it has few stops, a number.

import { make, makeSelect, newId } from "./elements.js";
import { makeRange } from "./range.js";

const MOST_STOPS = 101;

function settingText({ unit }, value) {
  if (unit === "share") return `${Number((100 * value).toFixed(6))} %`;
  return unit ? `${value} ${value === 1 ? unit.replace(/s$/, "") : unit}` : String(value);
}

// The settings of a step, or of a slider's method, in a few words.
export function settingsText(settings, given) {
  return settings
    .map((setting) => {
      const text = settingText(setting, given[setting.name] ?? setting.default);
      return setting.unit ? text : `${setting.label.toLowerCase()} ${text}`;
    })
    .join(", ");
}

// `given` with one setting more; a setting at its default is no choice.
export function withSetting(given, setting, value) {
  const { [setting.name]: _, ...others } = given;
  return value === setting.default ? others : { ...others, [setting.name]: value };
}

// owner: what its name is to be told apart by, such as the title of a step. onchange is called with the value chosen.
export function makeSetting(setting, onchange, owner = "") {
  const made = makeControl(setting, onchange);
  if (owner) made.control.setAttribute("aria-label", `${setting.label} of ${owner}`);
  return made;
}

function makeControl(setting, onchange) {
  const now = (given) => given[setting.name] ?? setting.default;
  const { label, help, choices, low, high, step } = setting;
  if (choices.length) {
    const { root, select } = makeSelect(label, choices.map((choice) => [choice, choice]), onchange, help);
    return { root, control: select, show: (given) => (select.value = now(given)) };
  }
  const helpId = newId("help");
  const sentence = make("p", { id: helpId, className: "cwb-help", text: help });
  if (step && (high - low) / step < MOST_STOPS) {
    const range = makeRange({ low, high, step, off: low, direction: 1 }, label, onchange);
    range.input.setAttribute("aria-describedby", helpId);
    const head = make("div", { className: "cwb-slider-head" }, range.label, range.output);
    return {
      root: make("div", { className: "cwb-field cwb-setting" }, head, range.input, sentence),
      control: range.input,
      show: (given) => range.show(now(given), settingText(setting, now(given))),
    };
  }
  const id = newId("setting");
  const input = make("input", {
    type: "number", id, min: low, max: high, step: step ?? "any", "aria-describedby": helpId,
    onchange: () => onchange(Number(input.value)),
  });
  return {
    root: make("div", { className: "cwb-field" }, make("label", { for: id, text: label }), input, sentence),
    control: input,
    show: (given) => (input.value = String(now(given))),
  };
}

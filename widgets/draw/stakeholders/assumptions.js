// What the everyday figures rest on, open to be changed: the battery, how often, the price; and the goals.

import { make, makeSelect, newId, setItems, setText } from "../panel/elements.js";

const OWN_BATTERY = "own";

function createNumber(label, unit, low, high, onchange) {
  const id = newId("number");
  const hint = make("span", { id: newId("unit"), className: "cwb-muted", text: unit });
  const input = make("input", {
    type: "number", id, min: low, max: high, step: "any", "aria-describedby": hint.id,
    onchange: () => onchange(input.value === "" ? null : Number(input.value)),
  });
  return {
    root: make("div", { className: "cwb-field cwb-number" }, make("label", { for: id, text: label }), input, hint),
    show(value) {
      if (document.activeElement !== input) input.value = value ?? "";
    },
  };
}

export function createGoalInputs(talk, goals) {
  const inputs = goals.map((goal) => [
    goal.key,
    createNumber(goal.label, goal.unit, goal.low, goal.high, (value) =>
      talk.change((wishes) => {
        wishes.goals[goal.key] = value;
      }),
    ),
  ]);
  talk.listen(({ wishes }) => {
    for (const [key, input] of inputs) input.show(wishes.goals[key]);
  });
  return make("div", { className: "cwb-goal-inputs" }, ...inputs.map(([, input]) => input.root));
}

export function createAssumptions(talk, catalogue) {
  const set = (field) => (value) =>
    talk.change((wishes) => {
      wishes.usage[field] = value;
    });
  const batteries = makeSelect(
    "Battery",
    [...catalogue.batteries.map((one) => [one.name, one.title]), [OWN_BATTERY, "another one"]],
    (name) => {
      const battery = catalogue.batteries.find((one) => one.name === name);
      if (battery) set("watt_hours")(battery.watt_hours);
    },
  );
  const numbers = catalogue.usage.map((one) => [one.key, createNumber(one.label, one.unit, one.low, one.high, set(one.key))]);
  const sources = numbers.map(() => make("p", { className: "cwb-help" }));
  const formulas = make("ul", { className: "cwb-formulas" });
  talk.listen(({ state, wishes }) => {
    batteries.select.value = catalogue.batteries.find((one) => one.watt_hours === wishes.usage.watt_hours)?.name ?? OWN_BATTERY;
    numbers.forEach(([key, input], index) => {
      input.show(wishes.usage[key]);
      setText(sources[index], state.sources[key]);
    });
    setItems(formulas, state.said);
  });
  const title = make("h3", { id: newId("assumptions"), text: "What battery life and cost assume" });
  return make(
    "section",
    { className: "cwb-card cwb-assumptions", "aria-labelledby": title.id },
    title,
    make(
      "div",
      { className: "cwb-assumption-inputs" },
      make("div", {}, batteries.root),
      ...numbers.map(([, input], index) => make("div", {}, input.root, sources[index])),
    ),
    formulas,
  );
}

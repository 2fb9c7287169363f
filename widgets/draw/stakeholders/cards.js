// The named choices, each a button that moves the sliders there.

import { make, newId, setItems, setText } from "../panel/elements.js";

function createChoiceCard(onpick) {
  const title = make("span", { className: "cwb-choice-title" });
  const rule = make("span", { className: "cwb-choice-rule" });
  const recipe = make("span", { className: "cwb-choice-recipe" });
  const lines = make("ul", { className: "cwb-choice-lines" });
  const button = make("button", { type: "button", className: "cwb-choice", "aria-pressed": "false", onclick: onpick }, title, rule, recipe);
  return {
    root: make("li", { className: "cwb-choice-item" }, button, lines),
    show(choice, pressed) {
      button.setAttribute("aria-pressed", String(pressed));
      setText(title, choice.title);
      setText(rule, choice.rule);
      setText(recipe, choice.recipe);
      setItems(lines, choice.lines.length ? choice.lines : ["being measured…"]);
    },
  };
}

// onpick is called with the stops of the choice. found: how they were found.
export function createChoiceCards(found, onpick) {
  const title = make("h3", { id: newId("choices"), text: "Pick one" });
  const help = make("p", { className: "cwb-help", text: found });
  const list = make("ul", { className: "cwb-choices" });
  const cards = [];
  let shown = [];
  return {
    root: make("section", { "aria-labelledby": title.id }, make("div", { className: "cwb-choices-head" }, title, help), list),
    show(choices, stops) {
      shown = choices;
      while (cards.length < choices.length) {
        const number = cards.length;
        cards.push(createChoiceCard(() => onpick(shown[number].stops)));
        list.append(cards[number].root);
      }
      choices.forEach((choice, index) =>
        cards[index].show(choice, Object.entries(choice.stops).every(([axis, stop]) => stops[axis] === stop)),
      );
    },
  };
}

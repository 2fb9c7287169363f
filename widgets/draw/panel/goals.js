// A field for the goal on one measure: what it may be at most, or must be at least. The kernel reads what is typed.

import { make, newId, setText } from "./elements.js";

// Returns {root, follow(measure)}: the field is about the measure that it was told last. keptId: of what says how many
// points keep the goals.
export function createGoal(page, keptId) {
  const { model, signal } = page;
  const id = newId("goal");
  const examples = { share: "such as 98 %", bytes: "such as 50 kB", J: "such as 2 µJ", s: "such as 30 µs" };
  const label = make("label", { for: id });
  const input = make("input", {
    id, type: "text", "aria-describedby": keptId, autocomplete: "off", spellcheck: "false", maxlength: 40,
    oninput: () => (typing = true),
    onchange: () => {
      typing = false;
      model.send({ kind: "goal", metric: measure.key, text: input.value });
    },
  });
  let measure = null;
  let texts = {};
  let typing = false; // what stands in the field is not finished, so an answer to another leaves it

  function show() {
    if (!typing) input.value = texts[measure.key] ?? "";
  }

  const heard = (message) => {
    if (message.kind !== "goals" || !measure) return;
    input.setAttribute("aria-invalid", String(Boolean(message.error) && document.activeElement === input));
    texts = message.texts;
    if (!message.error) show();
  };
  model.on("msg:custom", heard);
  signal.addEventListener("abort", () => model.off("msg:custom", heard));
  return {
    root: make("div", { className: "cwb-field cwb-goal" }, label, input),
    follow(one) {
      if (one === measure) return;
      measure = one;
      setText(label, `Goal: ${one.bound}`);
      input.setAttribute("aria-label", `Goal: ${one.bound}, ${one.label.toLowerCase()}`);
      input.placeholder = examples[one.unit] ?? "such as 1.5 M";
      show();
    },
  };
}

// Why what was typed is no goal.
export function createGoalError(page) {
  const error = make("p", { className: "cwb-goal-error", role: "alert" });
  const heard = (message) => message.kind === "goals" && setText(error, message.error);
  page.model.on("msg:custom", heard);
  page.signal.addEventListener("abort", () => page.model.off("msg:custom", heard));
  return error;
}

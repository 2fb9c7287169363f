// The page for people who decide: three named choices, three sliders, plain figures, goals, and what they rest on.

import { make, setShown, setText } from "../panel/elements.js";
import { followTheme } from "../panel/theme.js";
import { createTip } from "../panel/tip.js";
import { createWatch } from "../panel/watch.js";
import { createAssumptions, createGoalInputs } from "./assumptions.js";
import { createChoiceCards } from "./cards.js";
import { createPapers } from "./papers.js";
import { createPlainFigures, createVerdict } from "./plain.js";
import { createStops } from "./stops.js";
import { createTalk } from "./talk.js";

function render({ model, el, signal: given }) {
  const controller = new AbortController();
  const signal = given ?? controller.signal;
  const catalogue = model.get("catalogue");
  const talk = createTalk(model, signal);
  const cards = createChoiceCards(catalogue.chosen, (stops) => talk.change((wishes) => Object.assign(wishes.stops, stops)));
  const sliders = createStops(catalogue.sliders, (axis, stop) =>
    talk.change((wishes) => {
      wishes.stops[axis] = stop;
    }),
  );
  const figures = createPlainFigures(catalogue.words);
  const verdict = createVerdict();
  verdict.root.append(createGoalInputs(talk, catalogue.goals));
  const recipe = make("p", { className: "cwb-now" });
  const sentence = make("span");
  const error = make("p", { className: "cwb-error", role: "alert", hidden: true }, sentence);
  const spoken = make("p", { className: "cwb-spoken", role: "status", "aria-live": "polite" });
  const root = make(
    "div",
    { className: "cwb cwb-stakeholders", role: "group", "aria-label": catalogue.title },
    make(
      "header",
      { className: "cwb-stakeholders-head" },
      make("div", {}, make("h2", { text: catalogue.title }), make("p", { className: "cwb-help", text: catalogue.about })),
      createPapers(model, talk, catalogue.papers, signal),
    ),
    error,
    catalogue.chosen ? cards.root : null,
    make("div", { className: "cwb-plain-body" }, make("div", { className: "cwb-plain-main" }, recipe, figures.root), sliders.root, verdict.root),
    createAssumptions(talk, catalogue),
    spoken,
  );
  let saying = null;
  talk.listen(({ state, wishes, seq, current, lost }) => {
    cards.show(state.choices, wishes.stops);
    sliders.show(wishes.stops);
    setText(sentence, lost || state.error);
    setShown(error, Boolean(lost || state.error));
    setText(recipe, current ? state.recipe : "Measuring…");
    figures.show(state.figures, current);
    verdict.show(state.verdict, current);
    clearTimeout(saying);
    if (current && state.stage === "exact") saying = setTimeout(() => setText(spoken, state.spoken), 600);
    // For whoever watches the page from outside.
    Object.assign(root.dataset, { asked: seq, answered: state.answered, stage: state.stage, current: String(current) });
  });
  signal.addEventListener("abort", () => clearTimeout(saying));
  createTip(root, signal);
  el.append(root);
  followTheme(root, signal, () => {});
  error.append(createWatch({ model, link: talk, root, signal }).way);
  talk.start();
  model.send({ kind: "hello" });
  return () => controller.abort();
}

export default { render };

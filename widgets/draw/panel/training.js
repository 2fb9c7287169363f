// Steps that train: what stands in for them is shown until they were trained, in a process of its own, beside live sliders.

import { make, setShown, setText } from "./elements.js";

export function createTraining({ model, link, signal }) {
  const title = make("p", { className: "cwb-training-title" });
  const bar = make("progress", { max: 1, value: 0, "aria-label": "How much has been trained" });
  const figures = make("p", { className: "cwb-muted" });
  const of = make("p", { className: "cwb-muted" });
  const boxes = make("ol", { className: "cwb-boxes", "aria-label": "What the method does in turn" });
  const cost = make("p", { className: "cwb-muted" });
  const train = make("button", { type: "button", className: "cwb-primary", text: "Train", onclick: () => link.ask("train") });
  const follow = make("button", {
    type: "button", text: "Show", title: "Put the controls where this training began", onclick: () => link.ask("follow"),
  });
  const stop = make("button", {
    type: "button", text: "Cancel", "aria-label": "Cancel the training", title: "The best so far is kept", onclick: () => link.ask("stop"),
  });
  const actions = make("div", { className: "cwb-training-actions" }, train, follow, stop);
  const root = make("section", { className: "cwb-training", "aria-label": "Training" }, title, bar, boxes, figures, cost, of, actions);
  let asked = null; // the recipe whose cost was asked for last

  link.listen(({ state, current }) => {
    const { training, previews } = state;
    const early = previews.some((preview) => preview.endsWith("(stopped early)"));
    const standing = early ? "What it had reached is shown." : "A preview stands in.";
    setShown(root, Boolean(training) || previews.length > 0);
    setText(title, training ? training.title : early ? "Not trained to the end" : "Not trained yet");
    setText(figures, training ? training.figures : `${standing} Training runs beside the sliders and is kept.`);
    bar.value = training?.share ?? 0;
    light(boxes, training);
    const elsewhere = Boolean(training) && !(current && state.digest === training.digest && state.position.model === training.model);
    setText(of, training ? `${training.model}: ${training.recipe}` : "");
    for (const [element, shown] of [[bar, training], [of, elsewhere], [train, !training], [stop, training], [follow, elsewhere]]) {
      setShown(element, Boolean(shown));
    }
    train.setAttribute("aria-disabled", String(!current));
    const settled = current && (state.stage === "exact" || state.stage === "cancelled");
    if (asked !== state.digest) setText(cost, previews.length ? "How long training takes is being tried…" : "");
    setShown(cost, !training && previews.length > 0);
    if (settled && !training && previews.length && asked !== state.digest) {
      asked = state.digest;
      model.send({ kind: "expect" });
    }
  });
  const heard = (message) => message.kind === "expect" && message.digest === asked && setText(cost, message.text);
  model.on("msg:custom", heard);
  signal.addEventListener("abort", () => model.off("msg:custom", heard));
  return root;
}

// The boxes of a method that goes round, each lit while it is in it; a further round is a further point on the plot.
function light(list, training) {
  const names = training?.boxes ?? [];
  setShown(list, names.length > 0);
  if (list.children.length !== names.length) list.replaceChildren(...names.map((name) => make("li", { text: name })));
  for (const [place, item] of [...list.children].entries()) {
    setText(item, names[place]);
    if (names[place] === training.box) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  }
  list.dataset.turns = training?.turns ?? 0;
  list.title = training?.turns ? `Turns done: ${training.turns}; each is a point on the trade-off plot` : "";
}

// The page that needs no kernel: it looks up what was measured at the stops of its sliders, and works nothing out.

import { make, setItems, setText } from "../panel/elements.js";
import { followTheme } from "../panel/theme.js";
import { createTip } from "../panel/tip.js";
import { createChoiceCards } from "../stakeholders/cards.js";
import { createPlainFigures, createVerdict } from "../stakeholders/plain.js";
import { createStops } from "../stakeholders/stops.js";

function render(page) {
  const content = JSON.parse(page.getElementById("content").textContent);
  const root = page.querySelector(".cwb");
  const axes = content.sliders.map((slider) => slider.axis);
  const said = page.getElementById("said");
  const circles = new Map([...page.querySelectorAll("[data-key]")].map((circle) => [circle.dataset.key, circle]));
  let stops = {};

  const cards = createChoiceCards(content.chosen, (chosen) => go(chosen));
  const sliders = createStops(content.sliders, (axis, stop) => go({ ...stops, [axis]: stop }));
  const figures = createPlainFigures(content.words);
  const verdict = createVerdict();
  const recipe = make("p", { className: "cwb-now" });
  const spoken = make("p", { className: "cwb-spoken", role: "status", "aria-live": "polite" });
  let saying = null;

  function go(to) {
    stops = to;
    const key = axes.map((axis) => stops[axis]).join(",");
    const point = content.points[key];
    sliders.show(stops);
    cards.show(content.choices, stops);
    setText(recipe, point.recipe);
    figures.show(point.figures, true);
    verdict.show(point.verdict, true);
    setItems(said, point.said);
    for (const [other, circle] of circles) circle.classList.toggle("here", other === key);
    circles.get(key)?.parentElement.append(circles.get(key)); // above the others
    root.dataset.key = key;
    clearTimeout(saying);
    saying = setTimeout(() => setText(spoken, point.spoken), 600);
  }

  for (const [key, circle] of circles) {
    circle.addEventListener("click", () => go(Object.fromEntries(key.split(",").map((stop, index) => [axes[index], Number(stop)]))));
  }
  const main = make("div", { className: "cwb-plain-main" }, recipe, figures.root);
  page.getElementById("live").replaceChildren(
    ...(content.choices.length ? [cards.root] : []),
    make("div", { className: "cwb-plain-body" }, main, sliders.root, verdict.root),
    spoken,
  );
  const { signal } = new AbortController(); // the page ends with its window
  createTip(root, signal);
  followTheme(root, signal, () => {});
  go(Object.fromEntries(content.start.split(",").map((stop, index) => [axes[index], Number(stop)])));
}

export default { render };

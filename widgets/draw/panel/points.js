// The points of the trade-off plot as a table, which can be sorted; each can be gone to and compared with.

import { make, setText } from "./elements.js";

// go, compare: called with a digest. Returns {root, draw(scene)}.
export function createPoints(measures, go, compare) {
  const body = make("tbody");
  const count = make("summary");
  let scene = null;
  let sorted = null; // the place of a measure
  let down = false;

  const sorter = (text, index) =>
    make("th", { scope: "col" }, make("button", { type: "button", className: "cwb-sort", text, onclick: () => sort(index) }));
  const heads = measures.map((one, index) => sorter(one.heading, index));
  const table = make(
    "table",
    {},
    make("thead", {}, make("tr", {}, make("th", { scope: "col", text: "Recipe" }), make("td"), ...heads, make("th", { scope: "col", text: "Known" }))),
    body,
  );
  const root = make(
    "details",
    { className: "cwb-points", ontoggle: () => fill() },
    count,
    make("div", { className: "cwb-scroll", tabindex: 0, role: "region", "aria-label": "Points" }, table),
  );

  function sort(index) {
    down = sorted === index && !down;
    sorted = index;
    heads.forEach((head, place) => head.setAttribute("aria-sort", place !== sorted ? "none" : down ? "descending" : "ascending"));
    fill();
  }

  function inOrder(rows) {
    if (sorted === null) return rows;
    const value = (one) => one.values[sorted] ?? Infinity; // what is not known last
    return [...rows].sort((one, other) => (down ? value(other) - value(one) : value(one) - value(other)));
  }

  function fill() {
    if (!root.open || !scene) return;
    const focused = body.contains(document.activeElement) ? document.activeElement.dataset.of : null;
    body.replaceChildren(...inOrder(scene.rows).map(makeRow));
    if (focused) body.querySelector(`[data-of="${CSS.escape(focused)}"]`)?.focus();
  }

  function makeRow(one) {
    const here = one.digest === scene.current;
    const button = (text, what, name, onclick) =>
      make("button", { type: "button", text, "aria-label": `${name}: ${one.label}`, "data-of": `${what} ${one.digest}`, onclick });
    return make(
      "tr",
      here ? { "aria-current": "true" } : {},
      make("th", { scope: "row", text: one.label }),
      make(
        "td",
        { className: "cwb-point-actions" },
        here ? null : button("Go there", "go", "Go to", () => go(one.digest)),
        here ? null : button("Compare", "compare", "Compare with", () => compare(one.digest)),
      ),
      ...one.texts.map((text) => make("td", { text })),
      make("td", { text: known(one) }),
    );
  }

  function known(one) {
    const front = one.digest === scene.knee ? ", knee of the front" : scene.front.includes(one.digest) ? ", on the front" : "";
    return `${one.exact ? "exact" : "estimate"}${one.kind === "suggested" ? ", not visited" : ""}${one.trained ? ", retrained" : ""}${one.shipped ? ", shipped" : ""}${front}`;
  }

  return {
    root,
    draw(shown) {
      scene = shown;
      setText(heads[0].firstChild, shown.score); // another network's images may ask something else
      setText(count, scene.rows.length === 1 ? "The point as a table" : `All ${scene.rows.length} points as a table`);
      fill();
    },
  };
}

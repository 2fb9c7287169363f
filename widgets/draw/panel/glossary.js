// What the badges and terms on the page mean, open to the keyboard as well as to the pointer.

import { make } from "./elements.js";

export function createGlossary({ catalogue }) {
  const groups = catalogue.glossary.map((group) =>
    make(
      "div",
      {},
      make("h4", { text: group.title }),
      make("dl", {}, ...group.terms.flatMap(([term, sentence]) => [make("dt", { text: term }), make("dd", { text: sentence })])),
    ),
  );
  return make(
    "details",
    { className: "cwb-glossary cwb-card" },
    make("summary", { text: "What the badges and terms mean" }),
    make("div", { className: "cwb-glossary-grid" }, ...groups),
  );
}

// What is said beside a drawing: its colours, a few sentences, and the figures in it as a small table.

import { make, setItems } from "./elements.js";

// picture: what is drawn, an element.
export function createLook(picture) {
  const keys = make("ul", { className: "cwb-swatches" });
  const says = make("ul", { className: "cwb-says" });
  const table = make("table", { className: "cwb-small-table" });
  const words = make("div", { className: "cwb-look-words" }, keys, says, table);
  return {
    root: make("div", { className: "cwb-look" }, make("div", { className: "cwb-look-picture" }, picture), words),
    // colours: [name of a class, text] of each that is used.
    tell({ colours = [], says: sentences = [], table: rows = [] }) {
      keys.replaceChildren(...colours.map(([key, text]) => make("li", {}, make("span", { className: `cwb-swatch cwb-swatch-${key}` }), text)));
      setItems(says, sentences);
      table.hidden = rows.length === 0;
      table.replaceChildren(...tableRows(rows));
    },
  };
}

// The first row and the first column say what the others hold.
function tableRows(rows) {
  const [head = [], ...body] = rows;
  return [
    make("thead", {}, make("tr", {}, ...head.map((text) => make(text ? "th" : "td", { scope: text ? "col" : null, text })))),
    make(
      "tbody",
      {},
      ...body.map(([name, ...texts]) => make("tr", {}, make("th", { scope: "row", text: name }), ...texts.map((text) => make("td", { text })))),
    ),
  ];
}

// Two points side by side: where the controls stand, and the one that was chosen to compare with.

import { make, setShown, setText } from "./elements.js";

// Returns {root, show(content, error)}; null for nothing to compare.
export function createComparison(go, close) {
  const body = make("tbody");
  const heads = [make("th", { scope: "col" }), make("th", { scope: "col" })];
  const verdict = make("p", { className: "cwb-verdict" });
  const images = make("p", { className: "cwb-help" });
  const error = make("p", { className: "cwb-help" });
  const table = make(
    "table",
    {},
    make("thead", {}, make("tr", {}, make("td"), ...heads, make("th", { scope: "col", text: "Change" }))),
    body,
  );
  const root = make(
    "section",
    { className: "cwb-comparison", "aria-label": "Comparison", hidden: true },
    make(
      "div",
      { className: "cwb-comparison-head" },
      make("h4", { text: "Side by side" }),
      make("button", { type: "button", text: "Go to the second", onclick: go }),
      make("button", { type: "button", text: "Close", onclick: close }),
    ),
    make("div", { className: "cwb-scroll", tabindex: 0, role: "region", "aria-label": "Both in figures" }, table),
    verdict, images, error,
  );
  const side = (mark, text) => [make("span", { className: "cwb-mark", "data-mark": mark, "aria-hidden": "true" }), make("span", { text })];

  return {
    root,
    show(content, sentence = "") {
      setShown(root, Boolean(content || sentence));
      setText(error, sentence);
      setShown(table, Boolean(content));
      setText(verdict, content ? content.verdict || "Comparing image by image…" : "");
      setText(images, content?.images ?? "");
      if (!content) return;
      heads.forEach((head, index) => head.replaceChildren(...side(index ? "pinned" : "current", content.titles[index])));
      body.replaceChildren(
        ...content.rows.map((row) =>
          make(
            "tr",
            { "data-measure": row.key },
            make("th", { scope: "row", text: row.label }),
            ...row.texts.map((text, index) => make("td", { text, className: row.better === (index ? "second" : "first") ? "cwb-better" : null })),
            make("td", { text: row.change }),
          ),
        ),
      );
    },
  };
}

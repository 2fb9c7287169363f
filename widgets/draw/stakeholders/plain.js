// The four plain figures, each beside the original's, and whether the goals are met. The live page and the offline one
// show the same.

import { make, newId, setItems, setShown, setText } from "../panel/elements.js";
import { explain, makeWord } from "../panel/tip.js";

const MARKS = { meets: "✓", misses: "✗", open: "?" };

function createPlainBar(label) {
  const bar = make("span", { className: "cwb-plain-fill" });
  const text = make("span", { className: "cwb-plain-text" });
  const track = make("span", { className: "cwb-plain-track", "aria-hidden": "true" }, bar);
  return {
    root: make("li", {}, make("span", { className: "cwb-muted", text: label }), track, text),
    show(share, said) {
      bar.style.setProperty("--cwb-share", share ?? 0);
      setShown(track, share !== undefined);
      setText(text, said);
    },
  };
}

function createPlainFigure(words) {
  const title = make("h3", { id: newId("figure") });
  const badge = makeWord("cwb-badge", "");
  const value = make("p", { className: "cwb-plain-value" });
  const change = make("p", { className: "cwb-plain-change" });
  const before = createPlainBar("before");
  const now = createPlainBar("now");
  const bars = make("ul", { className: "cwb-plain-bars" }, before.root, now.root);
  const details = make("ul", { className: "cwb-details" });
  const root = make(
    "section",
    { className: "cwb-card cwb-plain-figure", "aria-labelledby": title.id },
    title, value, change, bars, details,
    make("div", { className: "cwb-plain-foot" }, badge),
  );
  return {
    root,
    show(figure, current) {
      root.dataset.key = figure.key;
      root.dataset.current = String(current && figure.value !== null);
      setText(title, figure.label);
      setText(badge, figure.badge);
      explain(badge, words[figure.badge] ?? "");
      setText(value, figure.value ?? "–");
      setText(change, figure.change);
      change.dataset.tone = figure.tone;
      setShown(bars, figure.original !== null);
      before.show(figure.bars[0], figure.original?.value ?? "");
      now.show(figure.bars[1], figure.value ?? "");
      setItems(details, figure.details);
    },
  };
}

export function createPlainFigures(words) {
  const root = make("div", { className: "cwb-plain-figures" });
  const drawn = [];
  return {
    root,
    show(figures, current) {
      while (drawn.length < figures.length) {
        drawn.push(createPlainFigure(words));
        root.append(drawn[drawn.length - 1].root);
      }
      figures.forEach((figure, index) => drawn[index].show(figure, current));
    },
  };
}

export function createVerdict() {
  const title = make("h3", { id: newId("verdict"), text: "Your goals" });
  const summary = make("p", { className: "cwb-verdict-summary" });
  const rows = make("ul", { className: "cwb-verdict-rows" });
  const root = make("section", { className: "cwb-card cwb-verdict", "aria-labelledby": title.id }, title, summary, rows);
  let drawn = "";
  return {
    root,
    show(goals, current) {
      root.dataset.met = goals.met;
      root.dataset.current = String(current);
      const content = JSON.stringify(goals);
      if (content === drawn) return;
      drawn = content;
      setText(summary, goals.summary);
      rows.replaceChildren(
        ...goals.rows.map((row) =>
          make(
            "li",
            { "data-met": row.met, "data-key": row.key },
            make("span", { className: "cwb-verdict-mark", "aria-hidden": "true", text: MARKS[row.met] }),
            make("span", { text: row.text }),
          ),
        ),
      );
    },
  };
}

// The four tiles. A figure that does not belong to the newest move is dimmed and said to be measured. The costs may be
// known ahead of the kernel's answer; it then brings the same once more.

import { makeAbout } from "./about.js";
import { make, newId, setItems, setShown, setText } from "./elements.js";
import { createProgress } from "./progress.js";
import { createRemarks } from "./remarks.js";
import { explain, makeWord } from "./tip.js";

export function makeBadge(words) {
  const badge = makeWord("cwb-badge", "");
  return {
    badge,
    show(name) {
      setText(badge, name);
      badge.dataset.badge = name;
      explain(badge, words[name] ?? "");
    },
  };
}

// Four lines of one height, whatever they say; the rest opens by a click on the figure.
function createTile(words) {
  const { badge, show: showBadge } = makeBadge(words);
  const original = makeBadge(words);
  const value = make("span", { className: "cwb-value" });
  const change = make("p", { className: "cwb-change" });
  const brief = make("p", { className: "cwb-brief" });
  const details = make("ul", { className: "cwb-details" });
  const originalValue = make("span");
  const was = make("p", { className: "cwb-original" }, make("span", { text: "Original" }), original.badge, originalValue);
  const bar = make("div", { className: "cwb-bar", "aria-hidden": "true" });
  const parts = make("ul", { className: "cwb-parts" });
  const how = make("ul", { className: "cwb-how" });
  const note = make("p", { className: "cwb-help" });
  const title = make("h3", { id: newId("tile") });
  const opener = make("button", { type: "button", className: "cwb-figure" }, value);
  const heading = make("h4");
  const { about } = makeAbout(opener, "How this figure came about", [heading, how, bar, parts, details, was, note]);
  const root = make(
    "section",
    { className: "cwb-tile", "aria-labelledby": title.id },
    make("div", { className: "cwb-tile-head" }, title, badge),
    opener, change, brief, about,
  );

  let drawn = "";

  function showBar(segments) {
    bar.replaceChildren(
      ...segments.map((one, index) => make("span", { style: `flex-grow: ${one.share}`, "data-part": index })),
    );
    parts.replaceChildren(
      ...segments.map((one, index) =>
        make("li", { "data-part": index }, make("span", { text: one.label }), make("span", { text: one.text })),
      ),
    );
    setShown(bar, segments.length > 1);
    setShown(parts, segments.length > 1);
  }

  return {
    root,
    show(tile, current, failed) {
      const known = tile.value !== null;
      root.dataset.failed = String(failed);
      root.dataset.key = tile.key;
      const answered = current && (known || Boolean(tile.note));
      root.dataset.current = String(answered);
      root.setAttribute("aria-busy", String(!answered && !failed));
      const content = JSON.stringify(tile);
      if (content === drawn) return;
      drawn = content;
      setText(title, tile.label); // another network's images may ask something else
      setText(heading, `How this figure came about: ${tile.label.toLowerCase()}`);
      showBadge(tile.badge);
      if (known) {
        setText(value, tile.value);
        setText(change, tile.change);
        change.dataset.tone = tile.tone;
        setItems(how, tile.how);
        const lines = tile.details.filter(Boolean);
        setText(brief, lines[0] ?? "");
        setItems(details, lines);
        showBar(tile.bar);
      } else if (!value.textContent || tile.note) {
        setText(value, "–");
        setText(brief, tile.note);
      }
      opener.setAttribute("aria-label", `${tile.label} ${value.textContent}: how it came about`);
      root.classList.toggle("cwb-interim", tile.interim);
      setText(note, tile.note);
      setShown(was, Boolean(tile.original));
      if (tile.original) {
        setText(originalValue, tile.original.value);
        original.show(tile.original.badge);
      }
    },
    forget() {
      drawn = "";
      setText(value, "–");
      setText(change, "");
      setText(brief, "");
      details.replaceChildren();
    },
  };
}

export function createTiles(page) {
  const { link, catalogue } = page;
  const kind = makeWord("cwb-kind", "");
  const recipe = make("span", { className: "cwb-recipe" });
  const grid = make("div", { className: "cwb-tile-grid" });
  const tiles = new Map();
  let model = null;

  link.listen(({ state, position, current, ahead }) => {
    const shown = state.tiles.map((tile) => ahead?.tiles.find((one) => one.key === tile.key) ?? tile);
    for (const tile of shown) {
      if (!tiles.has(tile.key)) {
        tiles.set(tile.key, createTile(catalogue.words));
        grid.append(tiles.get(tile.key).root);
      }
      if (model !== position.model) tiles.get(tile.key).forget();
      tiles.get(tile.key).show(tile, current || Boolean(ahead?.tiles.includes(tile)), Boolean(state.error));
    }
    model = position.model;
    const of = ahead ?? state;
    setText(kind, of.kind);
    explain(kind, catalogue.words[of.kind] ?? "");
    setShown(kind, Boolean(of.kind));
    setText(recipe, current || ahead ? of.recipe : state.error ? "Not measured" : "Measuring…");
  });

  return make(
    "section",
    { className: "cwb-tiles", "aria-label": "Results" },
    make("div", { className: "cwb-tiles-head" }, recipe, kind, createRemarks(page), createProgress(page)),
    grid,
  );
}

// The four tiles. A figure that does not belong to the newest move is dimmed and said to be measured. The costs may be
// known ahead of the kernel's answer; it then brings the same once more.

import { make, newId, setItems, setShown, setText } from "./elements.js";

export function makeBadge(words) {
  const badge = make("span", { className: "cwb-badge" });
  return {
    badge,
    show(name) {
      setText(badge, name);
      badge.dataset.badge = name;
      badge.title = words[name] ?? "";
    },
  };
}

function createTile(words) {
  const { badge, show: showBadge } = makeBadge(words);
  const original = makeBadge(words);
  const value = make("p", { className: "cwb-value" });
  const change = make("p", { className: "cwb-change" });
  const details = make("ul", { className: "cwb-details" });
  const originalValue = make("span");
  const was = make("p", { className: "cwb-original" }, make("span", { text: "Original" }), original.badge, originalValue);
  const bar = make("div", { className: "cwb-bar", "aria-hidden": "true" });
  const parts = make("ul", { className: "cwb-parts" });
  const title = make("h3", { id: newId("tile") });
  const root = make(
    "section",
    { className: "cwb-tile", "aria-labelledby": title.id },
    make("div", { className: "cwb-tile-head" }, title, badge),
    value, change, details, bar, parts, was,
  );

  let drawn = "";

  function showBar(segments) {
    bar.replaceChildren(
      ...segments.map((one, index) => make("span", { style: `flex-grow: ${one.share}`, "data-part": index, title: `${one.label}: ${one.text}` })),
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
      showBadge(tile.badge);
      if (known) {
        setText(value, tile.value);
        setText(change, tile.change);
        change.classList.toggle("cwb-same", tile.change === "no change");
        setItems(details, tile.details.filter(Boolean));
        showBar(tile.bar);
      } else if (!value.textContent || tile.note) {
        setText(value, "–");
      }
      root.classList.toggle("cwb-interim", tile.interim);
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
      details.replaceChildren();
    },
  };
}

export function createTiles(link, catalogue) {
  const kind = make("span", { className: "cwb-kind" });
  const recipe = make("span", { className: "cwb-recipe" });
  const grid = make("div", { className: "cwb-tile-grid" });
  const footnotes = make("ul", { className: "cwb-footnotes" });
  const tiles = new Map();
  let model = null;

  link.listen(({ state, position, current, ahead }) => {
    const shown = state.tiles.map((tile) => ahead?.tiles.find((one) => one.key === tile.key) ?? tile);
    for (const tile of shown) {
      if (!tiles.has(tile.key)) {
        tiles.set(tile.key, createTile(catalogue.words));
        grid.append(tiles.get(tile.key).root);
      }
      // Another network's figures are not even worth dimming.
      if (model !== position.model) tiles.get(tile.key).forget();
      tiles.get(tile.key).show(tile, current || Boolean(ahead?.tiles.includes(tile)), Boolean(state.error));
    }
    model = position.model;
    const notes = shown.filter((tile) => tile.note).map((tile) => `${tile.label}: ${tile.note}`);
    setItems(footnotes, notes);
    const of = ahead ?? state;
    setText(kind, of.kind);
    kind.title = catalogue.words[of.kind] ?? "";
    setShown(kind, Boolean(of.kind));
    setText(recipe, current || ahead ? of.recipe : state.error ? "Not measured" : "Measuring…");
  });

  return make(
    "section",
    { className: "cwb-tiles", "aria-label": "Results" },
    make("div", { className: "cwb-tiles-head" }, recipe, kind),
    grid,
    footnotes,
  );
}

// The places of this page's history as a tree: go there, give one a name that lasts, see any two side by side.

import { make, newId, setItems, setShown, setText } from "./elements.js";
import { placeKey } from "./places.js";

const LONGEST_NAME = 60;
const LONGEST_NOTE = 300;

// Each place below the one that it was reached from; whoever came second from there begins a branch.
function asTree(all) {
  const children = new Map();
  const ids = new Set(all.map((one) => one.id));
  for (const place of all) {
    const parent = ids.has(place.parent) ? place.parent : null;
    children.set(parent, [...(children.get(parent) ?? []), place]);
  }
  const rows = [];
  const waiting = [...(children.get(null) ?? [])].reverse().map((place) => ({ place, branch: 0 }));
  while (waiting.length) {
    const { place, branch } = waiting.pop();
    rows.push({ place, branch });
    const from = children.get(place.id) ?? [];
    [...from].reverse().forEach((child, index) => waiting.push({ place: child, branch: index === from.length - 1 ? branch : branch + 1 }));
  }
  return rows;
}

function createRow(id, { go, compare, edit, remove }) {
  const choice = make("input", { type: "checkbox", onchange: () => compare(id, choice.checked) });
  const visit = make("button", { type: "button", className: "cwb-place-name", onclick: () => go(id) });
  const note = make("p", { className: "cwb-help" });
  const from = make("p", { className: "cwb-help" });
  const figures = make("span", { className: "cwb-muted" });
  const name = make("button", { type: "button", className: "cwb-quiet", onclick: () => edit(id) });
  const forget = make("button", { type: "button", className: "cwb-quiet", text: "Delete", onclick: () => remove(id) });
  const root = make(
    "li",
    { className: "cwb-place" },
    choice,
    make("div", {}, make("div", { className: "cwb-place-head" }, visit, figures), from, note),
    make("div", { className: "cwb-place-actions" }, name, forget),
  );
  return {
    root,
    show({ place, branch, here, told, parent, chosen }) {
      const recipe = told?.recipe ?? "";
      const title = place.name || recipe || place.position.model;
      root.style.setProperty("--cwb-branch", Math.min(branch, 6));
      root.setAttribute("aria-current", String(here));
      setText(visit, title);
      visit.setAttribute("aria-label", here ? `${title}, where you are` : `Go to ${title}`);
      setText(note, place.note);
      setShown(note, Boolean(place.note));
      const changes = told?.changes?.join(" ") ?? "";
      const said = told?.error ?? [place.name ? recipe : "", parent && changes ? `From ${parent}: ${changes}` : changes].filter(Boolean).join(". ");
      setText(from, said);
      setShown(from, Boolean(said));
      setText(figures, told?.figures?.join(" · ") ?? "");
      setText(name, place.name ? "Rename" : "Name");
      name.setAttribute("aria-label", `${name.textContent} ${title}`);
      forget.setAttribute("aria-label", `Delete ${title}`);
      choice.setAttribute("aria-label", `Compare ${title}`);
      choice.checked = chosen;
    },
  };
}

function createEditor(save) {
  const [nameId, noteId] = [newId("name"), newId("note")];
  const name = make("input", { type: "text", id: nameId, maxlength: LONGEST_NAME });
  const note = make("input", { type: "text", id: noteId, maxlength: LONGEST_NOTE });
  let id = null;
  const close = () => setShown(root, false);
  const root = make(
    "form",
    {
      className: "cwb-place-editor", hidden: true, "aria-label": "Name of a place",
      onsubmit: (event) => {
        event.preventDefault();
        save(id, name.value.trim(), note.value.trim());
        close();
      },
      onkeydown: (event) => {
        if (event.key !== "Escape") return;
        event.stopPropagation();
        close();
      },
    },
    make("div", { className: "cwb-field" }, make("label", { for: nameId, text: "Name" }), name),
    make("div", { className: "cwb-field" }, make("label", { for: noteId, text: "Note" }), note),
    make("button", { type: "submit", className: "cwb-primary", text: "Save" }),
    make("button", { type: "button", text: "Cancel", onclick: close }),
  );
  return {
    root,
    open(place) {
      id = place.id;
      name.value = place.name;
      note.value = place.note;
      setShown(root, true);
      name.focus();
    },
  };
}

function createPair() {
  const heads = [make("th", { scope: "col" }), make("th", { scope: "col" })];
  const body = make("tbody");
  const changes = make("ul", { className: "cwb-changes" });
  const missing = make("p", { className: "cwb-help" });
  const table = make("table", {}, make("thead", {}, make("tr", {}, make("td"), ...heads, make("th", { scope: "col", text: "Change" }))), body);
  const root = make(
    "section",
    { className: "cwb-pair", "aria-label": "Two places side by side", hidden: true },
    make("div", { className: "cwb-scroll", tabindex: 0, role: "region", "aria-label": "Both in figures" }, table),
    missing,
    make("p", { className: "cwb-help", text: "What the second changes:" }),
    changes,
  );
  return {
    root,
    show(pair) {
      setShown(root, Boolean(pair));
      if (!pair) return;
      pair.titles.forEach((title, index) => setText(heads[index], title));
      body.replaceChildren(
        ...pair.rows.map(({ label, texts, change, better }) =>
          make(
            "tr", {},
            make("th", { scope: "row", text: label }),
            ...texts.map((text, index) => make("td", { text, className: better === (index ? "second" : "first") ? "cwb-better" : null })),
            make("td", { text: change }),
          ),
        ),
      );
      setText(missing, pair.missing);
      setShown(missing, Boolean(pair.missing));
      setItems(changes, pair.changes);
    },
  };
}

export function createSnapshots(page) {
  const { model, link, history, signal } = page;
  const { places } = history;
  const rows = new Map();
  let chosen = []; // the ids of the two to be compared
  let told = new Map(); // id -> what the kernel says of it
  let asked = "";
  let number = 0;
  let ids = []; // in the order in which they were asked about
  const seen = () => page.stage?.current === "history";

  const list = make("ol", { className: "cwb-places" });
  const editor = createEditor((id, name, note) => places.at(id) && places.label(id, name, note));
  const pair = createPair();
  const hint = "Every place where the controls came to rest. A name makes one last; tick two to see them side by side.";
  const keep = make("button", { type: "button", className: "cwb-primary", text: "Name this place", onclick: () => name() });
  const root = make(
    "section",
    { className: "cwb-history", "aria-label": "History" },
    make("div", { className: "cwb-card-head" }, make("p", { className: "cwb-help", text: hint }), keep),
    editor.root,
    make("div", { className: "cwb-history-parts" }, list, pair.root),
  );

  const actions = {
    go: (id) => history.visit(id),
    edit: (id) => editor.open(places.at(id)),
    remove: (id) => places.remove(id),
    compare(id, wanted) {
      chosen = wanted ? [...chosen, id].slice(-2) : chosen.filter((one) => one !== id);
      ask();
      draw();
    },
  };

  function name() {
    const id = history.settle();
    if (id) editor.open(places.at(id));
  }

  function ask() {
    if (!seen()) return;
    const all = places.all;
    const order = all.map((one) => one.id);
    const place = (id) => order.indexOf(id);
    const question = {
      places: all.map((one) => ({ position: one.position, parent: place(one.parent) < 0 ? null : place(one.parent) })),
      pair: chosen.map(place).filter((one) => one >= 0),
    };
    const now = JSON.stringify([question, measured]);
    if (now === asked) return;
    asked = now;
    number += 1;
    ids = order;
    model.send({ kind: "history", number, ...question });
  }

  // Where the controls are, wherever in a long list that is.
  function reveal() {
    const at = list.querySelector('[aria-current="true"]');
    if (at) list.scrollTop = at.offsetTop - (list.clientHeight - at.offsetHeight) / 2;
  }

  function draw() {
    if (!seen()) return;
    const order = asTree(places.all);
    const names = (id) => places.at(id)?.name || told.get(id)?.recipe || "";
    const shown = order.map(({ place, branch }, index) => {
      if (!rows.has(place.id)) rows.set(place.id, createRow(place.id, actions));
      const row = rows.get(place.id);
      const above = index > 0 && order[index - 1].place.id === place.parent;
      row.show({
        place, branch, told: told.get(place.id), chosen: chosen.includes(place.id),
        here: placeKey(place.position) === placeKey(link.position), parent: above ? "" : names(place.parent),
      });
      return row.root;
    });
    for (const id of rows.keys()) if (!places.at(id)) rows.delete(id);
    if (shown.length !== list.children.length || shown.some((one, index) => list.children[index] !== one)) list.replaceChildren(...shown);
  }

  let measured = ""; // the move that was measured last: its figures are new
  link.listen(({ state, current }) => {
    if (current && (state.stage === "exact" || state.stage === "cancelled")) measured = `${state.move}`;
    ask();
    draw();
  });
  places.listen(() => {
    chosen = chosen.filter((id) => places.at(id));
    ask();
    draw();
    reveal();
  });
  const heard = (message) => {
    if (message.kind === "measured") {
      asked = "";
      ask();
    }
    if (message.kind !== "history" || message.number !== number) return;
    told = new Map(ids.map((id, index) => [id, message.places[index]]));
    pair.show(message.pair);
    draw();
  };
  model.on("msg:custom", heard);
  signal.addEventListener("abort", () => model.off("msg:custom", heard));
  return {
    name: "history",
    title: "History",
    root,
    shown() {
      ask();
      draw();
      reveal();
    },
  };
}

// The steps in the order in which they are taken: the three sliders by name, and among them any method of the shelf with
// all its settings, which can be switched off without losing them.

import { make, makeSelect, newId, setText } from "./elements.js";
import { makeSetting, settingsText, withSetting } from "./settings.js";
import { stopText } from "./sliders.js";
import { explain, makeWord } from "./tip.js";
import { createTraining } from "./training.js";

function makeMover(title, text, direction, onclick) {
  return make("button", {
    type: "button", className: "cwb-small", text, title: `Move ${direction}`, "aria-label": `Move ${title} ${direction}`, onclick,
  });
}

// What every row has: a head with buttons that move it. It is told at which place its step is.
function makeRow(link, title, head, ...rest) {
  let place = 0;
  let last = 0;

  function move(by) {
    const to = place + by;
    if (to < 0 || to > last) return;
    link.change(({ steps }) => steps.splice(to, 0, ...steps.splice(place, 1)));
  }

  const up = makeMover(title, "↑", "up", () => move(-1));
  const down = makeMover(title, "↓", "down", () => move(1));
  const actions = make("div", { className: "cwb-step-actions" }, up, down); // a third place is kept for what removes it
  const root = make("li", { className: "cwb-step" }, make("div", { className: "cwb-step-head" }, head, actions), ...rest);
  return {
    root,
    actions,
    at: () => place,
    put(now, count) {
      place = now;
      last = count - 1;
      up.setAttribute("aria-disabled", String(place === 0));
      down.setAttribute("aria-disabled", String(place === last));
    },
  };
}

function createSliderRow(link, slider) {
  const value = make("span", { className: "cwb-muted" });
  const row = makeRow(link, slider.label, make("div", { className: "cwb-step-title" }, make("span", { text: slider.label }), value));
  return {
    ...row,
    show(_, { position }) {
      const stop = position.stops[slider.axis];
      const apart = Object.values(position.overrides).some((own) => own[slider.axis] !== undefined);
      const off = stop === slider.off;
      setText(value, off ? (apart ? "some layers" : "off") : stopText(slider, stop));
      row.root.classList.toggle("cwb-off", off && !apart);
    },
  };
}

// What is said to stand in for the trained step at `place`, undefined where nothing does. Steps are trained from the top
// down, so that of those of one method the ones further down are the ones that wait.
function standInOf(place, steps, method, previews) {
  const same = (step) => step.on && step.method === method.name;
  const own = previews.filter((preview) => preview === method.title || preview === `${method.title} (stopped early)`);
  const below = steps.slice(place + 1).filter(same).length;
  return own[own.length - 1 - below];
}

// group: of the rows of which one at a time shows its settings. onremove is called when the row is about to go.
function createAddedRow(link, catalogue, method, group, onremove) {
  const change = (edit) => link.change(({ steps }) => edit(steps[row.at()], steps));
  const id = newId("step");
  const box = make("input", {
    type: "checkbox", id, title: "Switch this step on or off",
    onchange: () => change((step) => (step.on = box.checked)),
  });
  const settings = method.settings.map((setting) =>
    makeSetting(setting, (value) => change((step) => (step.settings = withSetting(step.settings, setting, value))), method.title),
  );
  const brief = make("summary");
  const details = make(
    "details",
    { className: "cwb-step-details", name: group },
    brief,
    make("div", { className: "cwb-options" }, ...settings.map((setting) => setting.root)),
    make("p", { className: "cwb-help", text: `Source: ${method.paper}.` }),
  );
  const kind = makeWord("cwb-kind", "");
  const standing = make("p", { className: "cwb-step-standing cwb-muted", hidden: method.mode !== "trained" }, kind, make("span"));
  const title = make("div", { className: "cwb-step-title" }, box, make("label", { for: id, text: method.title }));
  const row = makeRow(link, method.title, title, standing, details);
  row.actions.append(
    make("button", {
      type: "button", className: "cwb-small", text: "×", title: "Remove", "aria-label": `Remove ${method.title}`,
      onclick: () => {
        onremove(row.at());
        change((step, steps) => steps.splice(steps.indexOf(step), 1));
      },
    }),
  );
  return {
    ...row,
    open: () => (details.open = true),
    show(step, { state, current, position }) {
      box.checked = step.on;
      row.root.classList.toggle("cwb-off", !step.on);
      setText(brief, settingsText(method.settings, step.settings));
      for (const setting of settings) setting.show(step.settings);
      standing.classList.toggle("cwb-unknown", !step.on || !kind.textContent);
      if (!current) return;
      standing.classList.toggle("cwb-unknown", !step.on);
      const standIn = standInOf(row.at(), position.steps, method, state.previews);
      const preview = standIn !== undefined;
      const early = preview && standIn !== method.title;
      setText(kind, preview ? "preview" : "faithful");
      explain(kind, catalogue.words[kind.textContent]);
      setText(standing.lastChild, early ? "training stopped early" : preview ? "stands in until trained" : "trained");
    },
  };
}

export function createSteps(page) {
  const { link, catalogue } = page;
  const methods = new Map(catalogue.methods.flatMap((family) => family.methods).map((method) => [method.name, method]));
  const sliders = new Map(catalogue.sliders.map((slider) => [slider.axis, slider]));
  const list = make("ol", { className: "cwb-step-list" });
  const choice = makeSelect("Method to add", [], () => {});
  choice.select.append(
    ...catalogue.methods.map(({ family, methods: members }) =>
      make("optgroup", { label: family }, ...members.map(({ name, title }) => make("option", { value: name, text: title }))),
    ),
  );
  const add = make("button", { type: "button", text: "Add", onclick: () => append(choice.select.value) });
  const count = make("span", { className: "cwb-muted" });
  const help = "Steps are taken from the top down. Any method can be added to the sliders.";
  const card = make(
    "details",
    {},
    make("summary", {}, make("h3", { text: "More steps" }), count),
    make("p", { className: "cwb-help", text: help }),
    list,
    make("div", { className: "cwb-step-add" }, choice.root, add),
    createTraining(page),
  );
  const rows = new Map(); // by the name of the slider or method, and how many steps before have the same
  const group = newId("steps");
  let opening = null;
  let known = 0;
  let training = false;

  function append(method) {
    if (add.getAttribute("aria-disabled") === "true") return;
    opening = link.position.steps.length;
    link.change(({ steps }) => steps.push({ method, settings: { ...methods.get(method).start }, on: true }));
  }

  // The button in focus goes with its row: the focus goes to the next row's first button, or to the last one's.
  function leave(place) {
    const next = list.children[place + 1] ?? list.children[place - 1];
    next.querySelector("button").focus();
  }

  function rowOf(entry, earlier) {
    const name = typeof entry === "string" ? entry : entry.method;
    const key = `${name} ${earlier.filter((one) => one === name).length}`;
    earlier.push(name);
    if (!rows.has(key)) {
      rows.set(key, sliders.has(name) ? createSliderRow(link, sliders.get(name)) : createAddedRow(link, catalogue, methods.get(name), group, leave));
    }
    return rows.get(key);
  }

  // An element that is put elsewhere loses the focus.
  function arrange(wanted) {
    if (wanted.length === list.children.length && wanted.every((root, place) => list.children[place] === root)) return;
    const focused = list.getRootNode().activeElement;
    list.replaceChildren(...wanted);
    if (list.contains(focused)) focused.focus();
  }

  link.listen((told) => {
    const { steps } = told.position;
    const earlier = [];
    const shown = steps.map((entry) => rowOf(entry, earlier));
    shown.forEach((row, place) => {
      row.put(place, steps.length);
      row.show(steps[place], told);
    });
    arrange(shown.map((row) => row.root));
    for (const [key, row] of rows) {
      if (!shown.includes(row)) rows.delete(key);
    }
    if (opening !== null) shown[opening]?.open?.();
    opening = null;
    const added = steps.length - sliders.size;
    const busy = Boolean(told.state.training);
    if ((added && !known) || (busy && !training)) card.open = true;
    [known, training] = [added, busy];
    setText(count, added ? `${added} added` : "");
    add.setAttribute("aria-disabled", String(steps.length >= sliders.size + catalogue.most_added));
  });

  return make("section", { className: "cwb-steps cwb-card", "aria-label": "More steps" }, card);
}

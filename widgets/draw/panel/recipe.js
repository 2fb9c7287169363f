// The recipe as text: the Python and the JSON that make it, a link to it, and a field that takes one over.

import { makeAbout } from "./about.js";
import { make, newId, setShown, setText } from "./elements.js";
import { ofItsOwn } from "./watch.js";

const COPIED = 2000; // milliseconds that a button says so

// The text is asked for when the button is pressed, since it may take the kernel to know it.
function makeCopy(label, text) {
  const button = make("button", { type: "button", text: label, onclick: copy });
  let timer = null;

  async function copy() {
    const done = await copied(await text(), button);
    setText(button, done ? "Copied" : "Select the text and copy it");
    clearTimeout(timer);
    timer = setTimeout(() => setText(button, label), COPIED);
  }

  return button;
}

// The clipboard is closed to pages that were not opened over a safe connection; a selection can be copied there.
async function copied(text, beside) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = make("textarea", { "aria-hidden": "true", className: "cwb-spoken" });
    field.value = text;
    beside.after(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    beside.focus();
    return done;
  }
}

function makeText(label, copyLabel) {
  const id = newId("text");
  const text = make("pre", { tabindex: 0, "aria-labelledby": id });
  const copy = makeCopy(copyLabel, () => text.textContent);
  const root = make(
    "details",
    { className: "cwb-recipe-text", open: true },
    make("summary", {}, make("h4", { id, text: label })),
    text, copy,
  );
  return { root, show: (said) => setText(text, said) };
}

export function createRecipe({ model, address, link, signal }) {
  const name = make("p", { className: "cwb-help" });
  const python = makeText("As Python", "Copy Python");
  const json = makeText("As JSON", "Copy JSON");
  json.root.open = false; // the menu is as high as a small window
  const copyLink = makeCopy("Copy link", () => address.link());
  setShown(copyLink, ofItsOwn()); // a notebook's address opens the notebook
  const id = newId("adopt");
  const errorId = newId("error");
  const error = make("p", { id: errorId, className: "cwb-recipe-error", role: "alert", hidden: true });
  const field = make("textarea", { id, rows: 3, spellcheck: "false", "aria-describedby": errorId });
  const file = make("input", { type: "file", accept: ".json,application/json", "aria-label": "Recipe file", onchange: () => read() });
  const use = make("button", { type: "button", className: "cwb-primary", text: "Use this recipe", onclick: () => adopt(field.value) });

  function adopt(text) {
    model.send({ kind: "adopt", text });
  }

  async function read() {
    const [chosen] = file.files;
    if (!chosen) return;
    field.value = await chosen.slice(0, 1100000).text(); // whatever is larger is refused
    file.value = "";
    adopt(field.value);
  }

  function fail(sentence) {
    setText(error, sentence);
    setShown(error, Boolean(sentence));
    field.setAttribute("aria-invalid", String(Boolean(sentence)));
  }

  const { button, about } = makeAbout(
    make("button", { type: "button", text: "Recipe", title: "The recipe as Python, JSON or a link, and the way to take one over" }),
    "Recipe",
    [
      make("div", { className: "cwb-recipe-head" }, make("h3", { text: "This recipe" }), copyLink),
      name, python.root, json.root,
      make("div", { className: "cwb-recipe-in" },
        make("label", { for: id }, make("h4", { text: "Take over a recipe (JSON)" })),
        field, error,
        make("div", { className: "cwb-recipe-actions" }, use, file),
      ),
    ],
    () => {
      fail("");
      model.send({ kind: "recipe" });
    },
  );
  about.classList.add("cwb-recipe-menu");

  const heard = (message) => {
    if (message.kind === "recipe") {
      setText(name, message.name);
      python.show(message.python);
      json.show(message.json);
    }
    if (message.kind !== "adopted") return;
    fail(message.error);
    if (message.error) return;
    field.value = "";
    model.send({ kind: "recipe" });
  };
  model.on("msg:custom", heard);
  signal.addEventListener("abort", () => model.off("msg:custom", heard));
  let digest = null;
  link.listen(({ state, current }) => {
    if (!current || state.digest === digest) return;
    digest = state.digest;
    if (about.matches(":popover-open")) model.send({ kind: "recipe" });
  });
  return [button, about];
}

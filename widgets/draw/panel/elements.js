// Elements are made from tags, properties and text nodes only: no string from the kernel is ever parsed as HTML.

const CONTROLS = new Set(["button", "input", "select", "summary"]);

export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  // JupyterLab moves between cells with the arrow keys, unless the very element in focus says that it needs them.
  if (CONTROLS.has(tag) || "tabindex" in properties) element.dataset.lmSuppressShortcuts = "true";
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "className") element.className = value;
    else if (name === "text") element.textContent = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// The lines of a list; the browser lays the page out anew only where one has changed.
export function setItems(list, texts) {
  while (list.children.length > texts.length) list.lastChild.remove();
  texts.forEach((text, index) => {
    if (list.children[index]) setText(list.children[index], text);
    else list.append(make("li", { text }));
  });
}

export function setShown(element, shown) {
  element.hidden = !shown;
}

let lastId = 0;

// Identifiers are unique on the whole page, since a notebook may show the panel twice.
export function newId(name) {
  lastId += 1;
  return `cwb-${name}-${lastId}`;
}

export function makeSelect(label, choices, onchange, help = "") {
  const id = newId("select");
  const select = make(
    "select",
    { id, onchange: () => onchange(select.value) },
    ...choices.map(([value, text]) => make("option", { value, text })),
  );
  const root = make("div", { className: "cwb-field" }, make("label", { for: id, text: label }), select);
  if (help) {
    const helpId = newId("help");
    select.setAttribute("aria-describedby", helpId);
    root.append(make("p", { id: helpId, className: "cwb-help", text: help }));
  }
  return { root, select };
}

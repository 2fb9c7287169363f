// Netron on the original and the compressed network side by side. Nothing of it is loaded before it is asked for.

import { make, setShown, setText } from "./elements.js";

// The address of the server that shows the page, which ends in a slash.
function baseAddress() {
  const config = document.getElementById("jupyter-config-data");
  return new URL(config ? (JSON.parse(config.textContent).baseUrl ?? "/") : "/", location.href).href;
}

// changed: called when files are wanted. What is shown stays what it was made of, whatever is moved meanwhile.
export function createNetron(page, changed) {
  const title = make("h4");
  const views = make("div", { className: "cwb-netron-views" });
  const said = make("p", { className: "cwb-help" });
  const close = make("button", { type: "button", text: "Close Netron", onclick: () => end() });
  const root = make(
    "section",
    { className: "cwb-netron", "aria-label": "Netron", hidden: true },
    make("div", { className: "cwb-netron-head" }, title, close), said, views,
  );
  const button = make("button", { type: "button", text: "Open in Netron", onclick: () => begin() });
  let wanted = false;

  function begin() {
    wanted = true;
    button.setAttribute("aria-disabled", "true");
    setShown(root, true);
    setText(title, "Netron");
    setText(said, "Writing both networks as ONNX…");
    views.replaceChildren();
    root.scrollIntoView({ block: "nearest" });
    changed();
  }

  function end() {
    wanted = false;
    views.replaceChildren();
    setShown(root, false);
    setText(button, "Open in Netron");
    button.focus();
  }

  function makeView({ label, address, size }) {
    const frame = make("iframe", {
      src: `${baseAddress()}${address}`, title: `Netron: ${label}`, sandbox: "allow-scripts allow-same-origin",
    });
    return make("figure", {}, make("figcaption", { text: `${label}, ${size} as ONNX` }), frame);
  }

  function draw(content) {
    if (content === null) return;
    wanted = false;
    button.removeAttribute("aria-disabled");
    setText(title, content.error ? "Netron" : `Netron: ${content.title}`);
    setText(said, content.error || "Both as ONNX files. Nothing leaves this machine; what you move next is not shown here until you open it again.");
    setText(button, content.error ? "Open in Netron" : "Open the newest in Netron");
    views.replaceChildren(...content.files.map(makeView));
    root.scrollIntoView({ block: "nearest" });
  }

  return {
    root,
    button,
    draw,
    get wanted() {
      return wanted;
    },
  };
}

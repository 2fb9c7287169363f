// For a first visit: what the page is for in a few words, and three tasks that the figures tick off. Gone for good once
// it was dismissed.

import { make, setShown, setText } from "./elements.js";

const DISMISSED = "compression-workbench-welcome";

// A browser may keep nothing; then it is dismissed for this page.
function dismissed() {
  try {
    return localStorage.getItem(DISMISSED) !== null;
  } catch {
    return false;
  }
}

export function createWelcome({ link }) {
  const list = make("ul", { className: "cwb-challenges" });
  const close = make("button", {
    type: "button", className: "cwb-quiet", text: "Do not show again",
    onclick: () => {
      setShown(root, false);
      try {
        localStorage.setItem(DISMISSED, "1");
      } catch {} // as said
    },
  });
  const root = make(
    "section",
    { className: "cwb-welcome cwb-card", "aria-label": "First time here?", hidden: dismissed() },
    make("h3", { text: "First time here?" }),
    make("p", { className: "cwb-help", text: "Drag a slider to the right: the figures say what it buys and what it costs. Click a figure to see how it came about. Three things to try:" }),
    list,
    close,
  );
  const reached = new Set();

  link.listen(({ state, current }) => {
    if (root.hidden) return;
    state.challenges.forEach(({ text, done }, place) => {
      if (done && current) reached.add(text);
      const item = list.children[place] ?? list.appendChild(make("li"));
      setText(item, text);
      item.dataset.done = String(reached.has(text));
      item.setAttribute("aria-label", reached.has(text) ? `${text} Done.` : text);
    });
  });
  return root;
}

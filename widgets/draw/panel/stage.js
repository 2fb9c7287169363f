// The stage: one picture at a time, chosen by its tab. What is not seen is neither asked for nor drawn.

import { make, newId, setShown } from "./elements.js";

// cards: [{name, title, root, shown?}]; `shown` is called when a card comes into view.
export function createStage(cards) {
  const list = make("div", { className: "cwb-tabs", role: "tablist", "aria-label": "Pictures" });
  const root = make("section", { className: "cwb-stage cwb-card", "aria-label": "Pictures" }, list);
  const listeners = [];
  let current = null;

  const tabs = cards.map((card) => {
    const tabId = newId("tab");
    const panelId = newId("tabpanel");
    const tab = make("button", {
      type: "button", id: tabId, role: "tab", "aria-controls": panelId, "data-card": card.name, text: card.title,
      onclick: () => open(card.name),
    });
    const panel = make("div", { id: panelId, role: "tabpanel", "aria-labelledby": tabId, className: "cwb-tabpanel", "data-card": card.name }, card.root);
    list.append(tab);
    root.append(panel);
    return { card, tab, panel };
  });

  function open(name) {
    const found = tabs.find(({ card }) => card.name === name);
    if (!found || found.card === current) return;
    current = found.card;
    for (const { card, tab, panel } of tabs) {
      tab.setAttribute("aria-selected", String(card === current));
      tab.tabIndex = card === current ? 0 : -1;
      setShown(panel, card === current);
    }
    redraw();
    for (const listener of listeners) listener(name);
  }

  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const at = tabs.findIndex(({ card }) => card === current);
    const last = tabs.length - 1;
    const to = Number.isFinite(step) ? (at + step + tabs.length) % tabs.length : step < 0 ? 0 : last;
    open(tabs[to].card.name);
    tabs[to].tab.focus();
  });

  const redraw = () => current?.shown?.();
  if (tabs.length) open(cards[0].name);
  setShown(list, tabs.length > 1);
  return {
    root,
    open,
    // Something else than the figures has changed: its size, the theme.
    redraw,
    // The name of the card in view.
    get current() {
      return current?.name ?? null;
    },
    // Called with the name of each card that is opened.
    listen: (listener) => listeners.push(listener),
  };
}

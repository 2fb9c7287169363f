// Pictures that the kernel works out when they are looked at. Each is asked for once the newest move has settled, again
// when what it shows is changed, and drawn only while it is still that move's.

import { make, setShown, setText } from "./elements.js";

// A card is {name, title, root, question(), draw(content, buffers)}; `question` gives null where there is nothing to ask.
export function createPictures(page) {
  const { model, link, signal } = page;
  const cards = new Map(); // name -> {card, frame, sentence, asked: what was asked last, number}
  let number = 0;
  let seen = null;
  let settled = null; // the move that all figures are known of

  function ask(entry) {
    const question = settled === null ? null : entry.card.question();
    if (question === null || entry.card.name !== seen) return;
    const asked = JSON.stringify([settled, question]);
    if (asked === entry.asked) return;
    number += 1;
    Object.assign(entry, { asked, number });
    entry.frame.setAttribute("aria-busy", "true");
    model.send({ kind: "picture", name: entry.card.name, number, question });
  }

  function heard(message, buffers) {
    if (message.kind !== "picture") return;
    const entry = cards.get(message.name);
    if (!entry || message.number !== entry.number) return;
    entry.frame.setAttribute("aria-busy", String(settled === null));
    setText(entry.sentence, message.error);
    setShown(entry.sentence, Boolean(message.error));
    setShown(entry.card.root, !message.error);
    if (message.content) entry.card.draw(message.content, buffers);
  }

  link.listen(({ state, current }) => {
    const done = current && (state.stage === "exact" || state.stage === "cancelled");
    const now = done ? `${state.move} ${state.digest}` : null;
    if (now === settled) return;
    settled = now;
    for (const entry of cards.values()) {
      entry.frame.setAttribute("aria-busy", String(settled === null && entry.asked !== null));
      ask(entry);
    }
  });

  model.on("msg:custom", heard);
  signal.addEventListener("abort", () => model.off("msg:custom", heard));
  return {
    // The card as the stage takes it.
    frame(card) {
      const sentence = make("p", { className: "cwb-help", hidden: true });
      const frame = make("div", { className: "cwb-picture" }, card.root, sentence);
      const entry = { card, frame, sentence, asked: null, number: 0 };
      cards.set(card.name, entry);
      return { ...card, root: frame };
    },
    // Something else is to be shown of the same move.
    changed: (name) => ask(cards.get(name)),
    // This card is in view now.
    look(name) {
      seen = name;
      if (cards.has(name)) ask(cards.get(name));
    },
  };
}

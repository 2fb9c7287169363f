// Sentences on the page as a whole: what went wrong, what the controls cannot show, and what the kernel remarks.

import { make, setItems, setShown, setText } from "./elements.js";

export function createError(page) {
  const error = make("p", { className: "cwb-error", role: "alert", hidden: true });
  page.link.listen(({ state, silent }) => {
    const sentence = silent ? "The kernel has not answered for ten seconds. If it is not busy with something else, reload the page to start anew." : state.error;
    setText(error, sentence);
    setShown(error, Boolean(sentence));
  });
  return error;
}

export function createRemarks(page) {
  const foreign = make("p", { className: "cwb-remark", hidden: true });
  const notes = make("ul", { className: "cwb-notes", hidden: true });
  page.link.listen(({ state }) => {
    setText(foreign, state.foreign);
    setShown(foreign, Boolean(state.foreign));
    setItems(notes, state.notes);
    setShown(notes, state.notes.length > 0);
  });
  return make("div", { className: "cwb-remarks" }, foreign, notes);
}

// Sentences on the page as a whole: what went wrong, what the controls cannot show, and what there is to remark.

import { makeAbout } from "./about.js";
import { make, setShown, setText } from "./elements.js";

export function createError(page) {
  const sentence = make("span");
  const root = make("div", { className: "cwb-error", role: "alert", hidden: true }, sentence, page.watch.way);
  page.link.listen(({ state }) => {
    const said = state.error || state.remark;
    setText(sentence, said);
    setShown(root, Boolean(said));
  });
  return root;
}

// How many there are; they open from that.
export function createRemarks(page) {
  const list = make("ul", { className: "cwb-remark-list" });
  const { button, about } = makeAbout(make("button", { type: "button", className: "cwb-quiet cwb-remarks" }), "Remarks", [list]);
  let drawn = "";

  page.link.listen(({ state }) => {
    const remarks = [...(state.foreign ? [{ text: state.foreign, why: "" }] : []), ...state.remarks];
    const content = JSON.stringify(remarks);
    if (content === drawn) return;
    drawn = content;
    setText(button, remarks.length === 1 ? "1 remark" : `${remarks.length} remarks`);
    setShown(button, remarks.length > 0);
    button.dataset.guideline = String(remarks.some(({ why }) => why));
    list.replaceChildren(
      ...remarks.map(({ text, why }) => make("li", {}, make("span", { text }), why ? make("span", { className: "cwb-muted", text: why }) : null)),
    );
  });
  return make("span", {}, button, about);
}

// What a visitor can take along: the report as a page or as a PDF, and the page that needs no server.

import { make, setShown, setText } from "../panel/elements.js";

function savePaper(name, type, buffer) {
  const url = URL.createObjectURL(new Blob([buffer], { type }));
  const anchor = make("a", { href: url, download: name, hidden: true });
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

export function createPapers(model, talk, papers, signal) {
  const buttons = papers.map((paper) => {
    const button = make("button", {
      type: "button", title: paper.help, text: paper.label,
      onclick: () => button.getAttribute("aria-disabled") !== "true" && talk.ask(paper.kind),
    });
    return { paper, button };
  });
  const bar = make("progress", { max: 1, value: 0, "aria-label": "How much of the offline page has been measured" });
  const text = make("span", { className: "cwb-status" });
  const stop = make("button", { type: "button", text: "Stop", onclick: () => talk.ask("stop-offline") });
  const making = make("div", { className: "cwb-papers-making", hidden: true }, text, bar, stop);
  talk.listen(({ state, current }) => {
    for (const { paper, button } of buttons) {
      const free = paper.kind === "offline" ? state.offline === null : current && state.stage === "exact";
      button.setAttribute("aria-disabled", String(!free));
    }
    setShown(making, state.offline !== null);
    bar.value = state.offline?.share ?? 0;
    setText(text, state.offline?.text ?? "");
  });
  const heard = (message, buffers) => {
    if (message.kind === "file") savePaper(message.name, message.type, buffers[0]);
  };
  model.on("msg:custom", heard);
  signal.addEventListener("abort", () => model.off("msg:custom", heard));
  return make("div", { className: "cwb-papers" }, ...buttons.map((one) => one.button), making);
}

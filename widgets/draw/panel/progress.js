// How far the measurement is, what it ended with, and the button that ends it.

import { make, setText } from "./elements.js";

export function createProgress(page) {
  const { link, root } = page;
  const bar = make("progress", { max: 1, value: 0, "aria-label": "How much has been measured" });
  const status = make("span", { className: "cwb-status" });
  const cancel = make("button", { type: "button", className: "cwb-quiet", text: "Cancel", onclick: () => running && link.ask("cancel") });
  let running = false;

  link.listen(({ state, current }) => {
    const ended = current && state.stage !== "latency" && (state.progress >= 1 || state.stage === "cancelled");
    running = !state.error && !ended;
    bar.value = current ? state.progress : 0;
    setText(status, state.preparing || (current || state.error ? state.status : "Measuring…"));
    cancel.setAttribute("aria-disabled", String(!running));
    bar.classList.toggle("cwb-idle", !running);
  });
  root.addEventListener("keydown", (event) => event.key === "Escape" && cancel.click());
  return make("div", { className: "cwb-progress" }, cancel, status, bar);
}

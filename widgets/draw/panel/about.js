// What a button opens beside itself: more on a figure, a menu. It closes by Escape, by another click, and by its button.

import { make, newId } from "./elements.js";
import { placeBeside } from "./tip.js";

// onopen is called before it is shown. Returns {button, about}: both are to be put into the page.
export function makeAbout(button, name, content, onopen = () => {}) {
  const id = newId("about");
  const about = make("div", { id, className: "cwb-about", popover: "auto", role: "dialog", "aria-label": name, tabindex: -1 }, ...content);
  button.setAttribute("popovertarget", id);
  button.setAttribute("aria-haspopup", "dialog");
  button.setAttribute("aria-expanded", "false");
  about.addEventListener("beforetoggle", (event) => event.newState === "open" && onopen());
  about.addEventListener("toggle", (event) => {
    const open = event.newState === "open";
    button.setAttribute("aria-expanded", String(open));
    if (open) {
      placeBeside(about, button);
      about.focus({ preventScroll: true });
    }
  });
  return { button, about };
}

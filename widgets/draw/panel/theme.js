// Light or dark is read off the page itself, so one rule serves JupyterLab's themes, Voila and anything else.

// A colour as the browser computes it: "rgb(...)" up to 255, or "color(srgb ...)" up to 1, which a mixture is.
function luminance(color) {
  const [red, green, blue] = (color.match(/[\d.]+/g) ?? [255, 255, 255]).map(Number);
  return (0.2126 * red + 0.7152 * green + 0.0722 * blue) / (color.startsWith("color(") ? 1 : 255);
}

function isDark(element) {
  for (let one = element.parentElement; one; one = one.parentElement) {
    const color = getComputedStyle(one).backgroundColor;
    const alpha = color.startsWith("rgba") ? Number(color.match(/[\d.]+/g)[3]) : 1;
    if (color !== "transparent" && alpha > 0.5) return luminance(color) < 0.5;
  }
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

export function followTheme(root, signal, changed) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const update = () => {
    const theme = isDark(root) ? "dark" : "light";
    if (root.dataset.theme === theme) return;
    root.dataset.theme = theme;
    changed();
  };
  const soon = () => requestAnimationFrame(update);
  const observer = new MutationObserver(soon);
  observer.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-name", "data-jp-theme-light", "class"] });
  observer.observe(document.head, { childList: true });
  dark.addEventListener("change", soon, { signal });
  signal.addEventListener("abort", () => observer.disconnect());
  soon();
}

// What elements.js does for HTML, for the shapes of an SVG.

export function makeShape(tag, properties = {}, ...children) {
  const shape = document.createElementNS("http://www.w3.org/2000/svg", tag);
  if ("tabindex" in properties) shape.dataset.lmSuppressShortcuts = "true";
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) shape.addEventListener(name.slice(2), value);
    else if (name === "text") shape.textContent = value;
    else shape.setAttribute(name, value === true ? "" : value);
  }
  shape.append(...children.filter((child) => child !== null && child !== undefined));
  return shape;
}

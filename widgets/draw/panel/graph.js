// The network's graph. Where its boxes and lines go is known in Python; here they are drawn, chosen and brought into view.

import { make, makeSelect, setItems, setShown, setText } from "./elements.js";
import { createNetron } from "./netron.js";
import { countMeasurements } from "./speed.js";
import { makeShape } from "./svg.js";
import { makeBadge } from "./tiles.js";

const NARROW = 560; // pixels below which results go down
const ZOOMS = { least: 0.3, most: 2.5, step: 1.25 };

export function createGraph(page) {
  const { root: panel, signal, catalogue } = page;
  const colour = makeSelect("Colour", [], () => page.pictures.changed("graph"));
  const { badge, show: showBadge } = makeBadge(catalogue.words);
  const low = make("span");
  const high = make("span");
  const legend = make("div", { className: "cwb-graph-legend" }, low, make("span", { className: "cwb-ramp", "aria-hidden": "true" }), high, badge);
  const zooms = [
    ["−", "Smaller", () => zoomTo(zoom / ZOOMS.step)],
    ["+", "Larger", () => zoomTo(zoom * ZOOMS.step)],
    ["Fit", "Fit the graph into its frame", () => zoomTo(fitting())],
  ].map(([text, label, onclick]) => make("button", { type: "button", text, "aria-label": label, onclick }));
  const netron = createNetron(page, () => page.pictures.changed("graph"));
  const head = make(
    "div",
    { className: "cwb-graph-head" },
    colour.root, legend, make("div", { className: "cwb-zooms", role: "group", "aria-label": "Size of the graph" }, ...zooms), netron.button,
  );
  const canvas = makeShape("svg", { role: "listbox", "aria-label": "Layers, in the order of the graph" });
  const frame = make("div", { className: "cwb-graph-frame" }, canvas);
  const note = make("p", { className: "cwb-help", hidden: true });
  const chosenName = make("h4");
  const facts = make("dl", { className: "cwb-graph-facts" });
  const chosen = make("div", { className: "cwb-chosen", "aria-live": "polite" }, chosenName, facts);
  const items = make("ol", { className: "cwb-graph-list" });
  const count = make("summary");
  const list = make("details", {}, count, make("div", { className: "cwb-scroll cwb-list-scroll", tabindex: "0", role: "region", "aria-label": "The graph as a list" }, items));
  const root = make("div", { className: "cwb-graph" }, head, frame, note, chosen, list, netron.root);

  let drawn = null; // what the kernel sent last
  let zoom = null; // null until the first drawing of a network
  let selected = null; // place of the box
  let shapes = []; // [{box, shape}], of the boxes that hold layers

  const measurements = countMeasurements(page.link, () => page.pictures.changed("graph"));
  const isUpright = () => panel.clientWidth > 0 && panel.clientWidth < NARROW;

  function fitting() {
    const [width, height] = drawn.size;
    const upright = isUpright();
    const fits = upright ? frame.clientWidth / width : Math.min(frame.clientWidth / width, frame.clientHeight / height);
    return Math.min(fits, 1.2);
  }

  function zoomTo(value) {
    if (!drawn) return;
    zoom = Math.min(Math.max(value, ZOOMS.least), ZOOMS.most);
    canvas.setAttribute("width", Math.round(drawn.size[0] * zoom));
    canvas.setAttribute("height", Math.round(drawn.size[1] * zoom));
  }

  function select(place, { focus = false } = {}) {
    selected = place;
    const found = shapes.find(({ box }) => box.at === place);
    for (const { box, shape } of shapes) {
      shape.setAttribute("aria-selected", String(box === found?.box));
      shape.setAttribute("tabindex", box === found?.box ? "0" : "-1");
    }
    if (found && focus) {
      found.shape.focus({ preventScroll: true });
      found.shape.scrollIntoView({ block: "nearest", inline: "center" });
    }
    describe(found?.box);
  }

  function describe(box) {
    setText(chosenName, box?.name ?? "");
    const pairs = (box?.layers ?? []).flatMap((name) => drawn.facts[name] ?? []);
    facts.replaceChildren(
      ...pairs.map(([word, text]) => make("div", { className: word === "Note" ? "cwb-graph-note" : "" }, make("dt", { text: word }), make("dd", { text }))),
    );
  }

  function makeBox(box) {
    const [x, y, width, height] = box.place;
    const layer = box.layers.length > 0;
    const middle = { x: x + width / 2, "text-anchor": "middle" };
    return makeShape(
      "g",
      layer
        ? {
            class: "cwb-box", role: "option", "aria-label": box.said, tabindex: "-1", "data-layer": box.layers[0],
            style: `--cwb-share: ${box.share ?? 0}`, onclick: () => select(box.at, { focus: true }),
          }
        : { class: "cwb-operation", "aria-hidden": "true" },
      makeShape("title", { text: box.said }),
      makeShape("rect", { x, y, width, height, rx: layer ? 6 : height / 2 }),
      makeShape("text", { ...middle, y: y + (layer ? 18 : 15), class: "cwb-box-title", text: box.title }),
      layer ? makeShape("text", { ...middle, y: y + 34, text: box.text }) : null,
    );
  }

  // The place of the layer that has most of what is coloured.
  function mostOf(boxes) {
    const layers = boxes.filter((box) => box.layers.length > 0);
    return layers.length ? layers.reduce((most, box) => (box.share > most.share ? box : most)).at : null;
  }

  canvas.addEventListener("keydown", (event) => {
    const at = shapes.findIndex(({ shape }) => shape === event.target);
    const last = shapes.length - 1;
    const to = {
      ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: last, Enter: at, " ": at,
    }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    select(shapes[Math.min(Math.max(to, 0), last)].box.at, { focus: true });
  });

  function draw(content) {
    const other = drawn?.facts && Object.keys(drawn.facts).join() !== Object.keys(content.facts).join();
    const focused = canvas.contains(document.activeElement);
    drawn = content;
    content.boxes.forEach((box, at) => Object.assign(box, { at }));
    if (other) [selected, zoom] = [null, null];
    selected ??= mostOf(content.boxes);
    if (colour.select.options.length !== content.colours.length) {
      colour.select.replaceChildren(...content.colours.map(([value, text]) => make("option", { value, text })));
    }
    colour.select.value = content.colour;
    setText(low, content.legend.low);
    setText(high, content.legend.high);
    showBadge(content.legend.badge);
    setText(note, content.note);
    setShown(note, Boolean(content.note));
    const boxes = content.boxes.map((box) => ({ box, shape: makeBox(box) }));
    shapes = boxes.filter(({ box }) => box.layers.length > 0);
    canvas.setAttribute("viewBox", `0 0 ${content.size.join(" ")}`);
    canvas.replaceChildren(
      makeShape("g", { class: "cwb-graph-lines", "aria-hidden": "true" }, ...content.lines.map((d) => makeShape("path", { d }))),
      ...boxes.map(({ shape }) => shape),
    );
    zoomTo(zoom ?? Math.max(fitting(), 1));
    setText(count, `As a list: ${content.summary}`);
    setItems(items, content.boxes.map((box) => box.said));
    select(selected, { focus: focused });
    netron.draw(content.netron);
  }

  let upright = null;
  const resized = new ResizeObserver(() => {
    if (upright === isUpright()) return;
    upright = isUpright();
    zoom = null;
    page.pictures.changed("graph");
  });
  resized.observe(frame);
  signal.addEventListener("abort", () => resized.disconnect());

  return {
    name: "graph",
    title: "Graph",
    root,
    question: () => ({
      colour: colour.select.value, upright: isUpright(), netron: netron.wanted, measurement: measurements.number,
    }),
    draw,
  };
}

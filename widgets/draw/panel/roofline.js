// The roofline: MACs a second over MACs for each byte. Places come as shares of the plot, so this only draws.

import { make, setText } from "./elements.js";
import { makeShape } from "./svg.js";

const MARGIN = { left: 56, right: 14, top: 12, bottom: 40 };

const LETTER = 6.8; // pixels

// Where names have room: beside a layer's mark, on nothing else. The slowest layers come first.
function namesBeside(marks, x, y, width) {
  const box = (mark, half) => ({ left: x(mark.x) - half, right: x(mark.x) + half, top: y(mark.y) - half, bottom: y(mark.y) + half });
  const taken = marks.flatMap(({ dense, packed }) => [dense, packed].filter(Boolean).map((mark) => box(mark, 5)));
  const found = new Map();
  for (const { layer, dense, packed } of [...marks].sort((one, other) => (one.packed ?? one.dense).y - (other.packed ?? other.dense).y)) {
    const mark = packed ?? dense;
    const long = LETTER * layer.length;
    const top = y(mark.y) - 7;
    const place = [x(mark.x) + 9, x(mark.x) - 9 - long]
      .map((left) => ({ left, right: left + long, top, bottom: top + 14 }))
      .filter(({ left, right }) => left > MARGIN.left && right < width)
      .find((own) => taken.every((one) => own.right < one.left || one.right < own.left || own.bottom < one.top || one.bottom < own.top));
    if (!place) continue;
    taken.push(place);
    found.set(layer, place);
  }
  return found;
}

export function createRoofline(signal) {
  const plot = makeShape("svg", { role: "img", class: "cwb-roofline-plot" });
  const key = make(
    "ul",
    { className: "cwb-roofline-key", "aria-hidden": "true" },
    make("li", { className: "cwb-key-dense", text: "dense torch" }),
    make("li", { className: "cwb-key-packed", text: "packed" }),
  );
  const summary = make("p", { className: "cwb-roofline-summary" });
  const about = make("p", { className: "cwb-help" });
  const head = make("tr");
  const body = make("tbody");
  const table = make(
    "details",
    {},
    make("summary", { text: "The layers as a table" }),
    make("div", { className: "cwb-scroll", tabindex: "0", role: "region", "aria-label": "The layers under the roof" }, make("table", {}, make("thead", {}, head), body)),
  );
  const root = make("div", { className: "cwb-roofline" }, summary, plot, key, table, about);
  let drawn = null;

  function drawPlot() {
    if (!drawn || !plot.clientWidth) return;
    const [width, height] = [plot.clientWidth, plot.clientHeight];
    const x = (share) => MARGIN.left + share * (width - MARGIN.left - MARGIN.right);
    const y = (share) => height - MARGIN.bottom - share * (height - MARGIN.top - MARGIN.bottom);
    const line = (points) => points.map(([across, up]) => `${x(across)},${y(up)}`).join(" ");
    const names = namesBeside(drawn.marks, x, y, width);
    plot.setAttribute("viewBox", `0 0 ${width} ${height}`);
    plot.replaceChildren(
      makeShape(
        "g",
        { class: "cwb-roofline-grid" },
        ...drawn.across.ticks.map(([share]) => makeShape("line", { x1: x(share), x2: x(share), y1: y(0), y2: y(1) })),
        ...drawn.up.ticks.map(([share]) => makeShape("line", { x1: x(0), x2: x(1), y1: y(share), y2: y(share) })),
      ),
      ...drawn.across.ticks.map(([share, text]) => makeShape("text", { x: x(share), y: y(0) + 16, "text-anchor": "middle", text })),
      ...drawn.up.ticks.map(([share, text]) => makeShape("text", { x: x(0) - 8, y: y(share) + 4, "text-anchor": "end", text })),
      makeShape("text", { x: x(1), y: y(0) + 33, "text-anchor": "end", text: `${drawn.across.title} →` }),
      makeShape("text", { x: x(0) + 6, y: y(1) + 10, text: `${drawn.up.title} ↑` }),
      ...drawn.roofs.map(({ text, points }, place) =>
        makeShape("polyline", { class: place ? "cwb-roof cwb-roof-lower" : "cwb-roof", points: line(points) }, makeShape("title", { text })),
      ),
      ...drawn.marks.flatMap(({ layer, dense, packed }) => {
        const name = names.get(layer);
        return [
          dense && packed ? makeShape("line", { class: "cwb-mark-step", x1: x(dense.x), y1: y(dense.y), x2: x(packed.x), y2: y(packed.y) }) : null,
          dense ? makeShape("circle", { class: "cwb-mark-dense", cx: x(dense.x), cy: y(dense.y), r: 5 }, makeShape("title", { text: dense.said })) : null,
          packed ? makeShape("circle", { class: "cwb-mark-packed", cx: x(packed.x), cy: y(packed.y), r: 5 }, makeShape("title", { text: packed.said })) : null,
          name ? makeShape("text", { x: name.left, y: name.top + 11, class: "cwb-mark-name", text: layer }) : null,
        ].filter(Boolean);
      }),
    );
  }

  const resized = new ResizeObserver(drawPlot);
  resized.observe(plot);
  signal.addEventListener("abort", () => resized.disconnect());

  return {
    root,
    draw(content) {
      drawn = content;
      plot.setAttribute("aria-label", `Roofline of ${content.marks.length} layers; the table below holds its figures.`);
      setText(summary, content.summary);
      setText(about, content.machine);
      head.replaceChildren(...content.heads.map((text) => make("th", { scope: "col", text })));
      body.replaceChildren(
        ...content.rows.map(([name, ...texts]) =>
          make("tr", {}, make("th", { scope: "row", text: name }), ...texts.map((text) => make("td", { text }))),
        ),
      );
      drawPlot();
    },
  };
}

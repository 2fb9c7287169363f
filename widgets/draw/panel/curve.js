// The curve of a layer: how much accuracy falls where that layer alone is compressed, the milder stops on the left.

import { makeShape } from "./svg.js";

const [WIDTH, HEIGHT, EDGE] = [84, 30, 4];

export function createCurve() {
  const line = makeShape("polyline", { class: "cwb-curve-line" });
  const dots = makeShape("g", {});
  const size = { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT };
  const root = makeShape("svg", { ...size, class: "cwb-curve", role: "img" }, line, dots);
  return {
    root,
    // row: of the layer, as the kernel tells it; all layers have one scale. stops: of the axis, mild to harsh.
    show(row, stops) {
      const at = (place) => EDGE + ((place + 1) / stops.length) * (WIDTH - 2 * EDGE);
      const points = [{ x: EDGE, y: EDGE }]; // where the layer is left as it is, nothing is lost
      for (const [place, { stop, text }] of stops.entries()) {
        const cell = row.cells.find((one) => one.stop === stop);
        if (cell) points.push({ x: at(place), y: EDGE + cell.share * (HEIGHT - 2 * EDGE), cell, text });
      }
      line.setAttribute("points", points.map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" "));
      dots.replaceChildren(
        ...points.slice(1).map(({ x, y, cell, text }) => {
          const said = makeShape("title", { text: `${text}: ${cell.text} (${cell.range})` });
          return makeShape("circle", { cx: x, cy: y, r: 2.5, class: cell.clear ? null : "cwb-unclear" }, said);
        }),
      );
      root.setAttribute("aria-label", row.text);
    },
  };
}

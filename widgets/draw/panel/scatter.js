// The drawing of the trade-off plot: points with their intervals, the front, its knee, and what the goals leave out.

import { createAim } from "./aim.js";
import { make } from "./elements.js";
import { loadPlotly } from "./plotly.js";

const SYMBOLS = { original: "diamond", visited: "circle", suggested: "circle" };
const SIZES = { original: 12, visited: 8, suggested: 6 };
const CURRENT_SIZE = 13; // across, in pixels
const PATIENT = 8000; // milliseconds that a drawing waits while somebody aims

// choose(digest, shift) is called when a point is clicked. `draw` takes what `scene` gives: rows, x and y (each {index,
// label, unit, log}), current, pinned, front, knee, rails, near (whether accuracies far below the original are left out).
export function createScatter(page, scene, choose) {
  const { model, link, root, signal } = page;
  const drawing = make("div", { className: "cwb-plot", role: "img" });
  const aim = createAim(drawing, signal);
  let busy = false;
  let again = false;
  let listening = false;
  let wholes = 0; // how often the whole was asked for after a part had been drawn larger

  // One drawing at a time, and none for points that newer ones have replaced.
  async function draw() {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    try {
      const plotly = await loadPlotly(model);
      do {
        await pause();
        again = false;
        const shown = scene();
        if (!shown || signal.aborted || !drawing.clientWidth) break; // out of view it has no size
        const color = plotColors(root);
        await plotly.react(drawing, traces(shown, color), layout(shown, color, root, wholes), { displayModeBar: false, doubleClick: false });
        listen();
        await new Promise((resolve) => setTimeout(resolve, 70)); // never more than 15 drawings a second
      } while (again);
    } finally {
      busy = false;
    }
  }

  // A drawing takes as long as two frames, so it waits until nobody moves, though no longer than a second; and while
  // somebody aims at a point, the points stay where they are.
  async function pause() {
    const began = performance.now();
    for (let now = began; ; now = performance.now()) {
      const moving = now < Math.min(began + 1000, link.moved + 150);
      const aiming = aim.active && now < began + PATIENT;
      if (!moving && !aiming) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  function listen() {
    if (listening) return;
    listening = true;
    drawing.on("plotly_click", ({ points: [point], event }) => {
      aim.end(); // what comes of it is shown at once
      choose(meant(point, event), event.shiftKey);
    });
    drawing.on("plotly_hover", () => drawing.classList.add("cwb-at-point"));
    drawing.on("plotly_unhover", () => drawing.classList.remove("cwb-at-point"));
    // Two points clicked one after the other are no double click.
    drawing.on("plotly_doubleclick", () => {
      if (drawing.classList.contains("cwb-at-point")) return;
      wholes += 1;
      aim.end();
      draw();
    });
  }

  // The point that a click is for. The current one lies over its neighbours, and nobody goes to where they are: then it
  // is the nearest beneath, of several at one place the one on top.
  function meant({ customdata, data, xaxis, yaxis }, event) {
    const { current } = scene();
    if (customdata !== current) return customdata;
    const { left, top } = drawing.getBoundingClientRect();
    const distances = data.customdata.map((digest, at) => {
      const across = left + xaxis._offset + xaxis.d2p(data.x[at]) - event.clientX;
      const down = top + yaxis._offset + yaxis.d2p(data.y[at]) - event.clientY;
      return { digest, far: digest === current ? Infinity : Math.hypot(across, down) };
    });
    const nearest = distances.reduce((one, other) => (other.far <= one.far ? other : one));
    return nearest.far <= CURRENT_SIZE / 2 ? nearest.digest : current;
  }

  // The column beside it comes and goes; what is not drawn yet has no size to change.
  const observer = new ResizeObserver(() => listening && drawing.clientWidth && window.Plotly.Plots.resize(drawing));
  observer.observe(drawing);
  signal.addEventListener("abort", () => {
    observer.disconnect();
    window.Plotly?.purge(drawing);
  });
  return { root: drawing, draw };
}

const symbol = (one) => (one.shipped ? "triangle-up" : one.trained ? "square" : SYMBOLS[one.kind]);

function traces(shown, color) {
  const { x, y } = shown;
  const place = (one) => ({ x: one.values[x.index], y: one.values[y.index] });
  const order = ["suggested", "visited", "original"];
  const rows = [...shown.rows].sort((one, other) => rank(one) - rank(other));
  const byDigest = new Map(rows.map((one) => [one.digest, one]));
  // What was told before this page was drawn may be a part only; the whole follows its hello.
  const front = shown.front.filter((digest) => byDigest.has(digest)).map((digest) => place(byDigest.get(digest)));
  const pinned = byDigest.get(shown.pinned);
  function rank(one) {
    return one.digest === shown.current ? order.length : order.indexOf(one.kind);
  }
  const bar = (axis, name) => (axis.key === "accuracy" ? { [name]: bars(rows, axis, color) } : {});
  return [
    {
      type: "scatter", mode: "lines", x: front.map((one) => one.x), y: front.map((one) => one.y), hoverinfo: "skip",
      line: { shape: "hv", width: 1.5, color: color.front },
    },
    {
      type: "scatter", mode: "markers", cliponaxis: false,
      x: rows.map((one) => place(one).x), y: rows.map((one) => place(one).y), customdata: rows.map((one) => one.digest),
      ...bar(x, "error_x"), ...bar(y, "error_y"),
      text: rows.map((one) => `${escapeMarkup(one.label)}${one.shipped ? "<br>retrained, shipped" : ""}<br>${one.texts[x.index]}<br>${y.label.toLowerCase()} ${one.texts[y.index]}`),
      hovertemplate: "%{text}<extra></extra>",
      marker: {
        opacity: 1,
        symbol: rows.map((one) => `${symbol(one)}${one.exact ? "" : "-open"}`),
        size: rows.map((one) => (one.digest === shown.current ? CURRENT_SIZE : one.shipped ? SIZES.visited : SIZES[one.kind])),
        color: rows.map((one) => (one.digest === shown.current ? color.accent : color[one.kind])),
        line: { width: rows.map((one) => (one.exact ? 1 : 1.5)), color: rows.map((one) => (one.exact ? color.surface : color[one.kind])) },
      },
    },
    {
      type: "scatter", mode: "markers", cliponaxis: false, hoverinfo: "skip",
      x: pinned ? [place(pinned).x] : [], y: pinned ? [place(pinned).y] : [],
      marker: { symbol: "circle-open", size: 19, color: color.pinned, line: { width: 2, color: color.pinned } },
    },
  ];
}

// 95 % intervals of the score.
function bars(rows, axis, color) {
  const reach = (one, side) => (one.bar ? Math.abs(one.bar[side] - one.values[axis.index]) : 0);
  return {
    type: "data", symmetric: false, thickness: 1, width: 0, color: color.bar,
    array: rows.map((one) => reach(one, 1)), arrayminus: rows.map((one) => reach(one, 0)),
  };
}

// wholes: with another number a part that was drawn larger gives way to the whole.
function layout(shown, color, root, wholes) {
  const { x, y, rails } = shown;
  const line = { gridcolor: color.grid, linecolor: color.grid, zeroline: false, ticks: "", automargin: true };
  const font = { family: getComputedStyle(root).fontFamily, size: 12, color: color.muted };
  const scales = { x: scale(shown, x, rails.x), y: scale(shown, y, rails.y) };
  return {
    uirevision: `${shown.model} ${x.key} ${y.key} ${shown.near} ${wholes}`,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font,
    margin: { l: 8, r: 18, t: 14, b: 8 },
    hovermode: "closest",
    hoverlabel: { bgcolor: color.surface, bordercolor: color.grid, font: { ...font, color: color.text } },
    xaxis: { ...line, ...scales.x, title: { text: title(x), standoff: 8 } },
    yaxis: { ...line, ...scales.y, title: { text: title(y), standoff: 8 } },
    showlegend: false,
    shapes: [...outside("x", x, rails.x, color), ...outside("y", y, rails.y, color)],
    annotations: kneeMark(shown, color),
  };
}

const title = (axis) => (axis.unit === "share" ? `${axis.label}, %` : axis.heading);

// What a goal leaves out, shaded, with a line where it begins.
function outside(name, axis, limit, color) {
  if (limit === null) return [];
  const other = name === "x" ? "y" : "x";
  const most = axis.bound === "at most";
  const far = most ? (axis.log ? limit * 1e12 : 1e12) : axis.log ? limit / 1e12 : -1e12;
  const across = { [`${other}ref`]: "paper", [`${other}0`]: 0, [`${other}1`]: 1, [`${name}ref`]: name, layer: "below" };
  return [
    { ...across, type: "rect", [`${name}0`]: limit, [`${name}1`]: far, fillcolor: color.rail, opacity: 0.08, line: { width: 0 } },
    { ...across, type: "line", [`${name}0`]: limit, [`${name}1`]: limit, line: { width: 1.5, dash: "dash", color: color.rail } },
  ];
}

function kneeMark(shown, color) {
  const { x, y } = shown;
  const one = shown.rows.find(({ digest }) => digest === shown.knee);
  if (!one) return [];
  const at = (axis) => (axis.log ? Math.log10(one.values[axis.index]) : one.values[axis.index]);
  // Into the corner that nothing can lie in: what is there would be better than the front.
  const ax = x.bound === "at most" ? -26 : 26;
  return [{
    x: at(x), y: at(y), text: "knee", ax, ay: y.bound === "at most" ? 22 : -22, font: { color: color.text },
    showarrow: true, arrowhead: 0, arrowwidth: 1, arrowcolor: color.muted, standoff: 7,
  }];
}

function scale(shown, axis, limit) {
  const known = shown.rows.filter((one) => one.values[shown.x.index] !== null && one.values[shown.y.index] !== null);
  const values = [...known.map((one) => one.values[axis.index]), ...(limit === null ? [] : [limit])];
  return axis.log ? logScale(values, axis) : shareScale(shown, axis, values);
}

function shareScale(shown, axis, values) {
  const original = shown.rows.find((one) => one.kind === "original")?.values[axis.index] ?? null;
  if (shown.near && original !== null) return { range: [original - 5, Math.min(original + 1, 100.5)] };
  if (!values.length) return { range: [0, 100] };
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = Math.max((high - low) * 0.08, 0.5);
  return { range: [low - room, Math.min(high + room, 101)] };
}

// A logarithmic axis with a margin, and a tick at 1, 2 and 5 of every power of ten, written as people say it.
function logScale(values, axis) {
  const known = values.filter((value) => value > 0);
  const [low, high] = known.length ? [Math.min(...known) / 1.3, Math.max(...known) * 1.3] : [1, 10];
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
    for (const step of [1, 2, 5]) {
      const tick = step * 10 ** power;
      if (tick >= low && tick <= high) ticks.push(tick);
    }
  }
  const every = Math.ceil(ticks.length / 9);
  const tickvals = ticks.filter((_, index) => index % every === 0);
  return {
    type: "log",
    range: [Math.log10(low), Math.log10(high)],
    tickvals,
    ticktext: tickvals.map((tick) => withPrefix(tick, axis.unit)),
  };
}

const UNITS = { bytes: "B", J: "J", s: "s" };

function withPrefix(value, unit) {
  if (value < 1 && !UNITS[unit]) return String(Number(value.toPrecision(2)));
  const power = Math.floor(Math.log10(value) / 3 + 1e-9);
  const prefix = { "-4": "p", "-3": "n", "-2": "µ", "-1": "m", 0: "", 1: "k", 2: "M", 3: "G", 4: "T" }[power];
  if (prefix === undefined) return value.toExponential(0);
  const short = unit === "bytes" && !prefix ? "bytes" : `${prefix}${UNITS[unit] ?? ""}`;
  return `${Math.round((value / 10 ** (3 * power)) * 10) / 10}\u00a0${short}`.trim();
}

function plotColors(root) {
  const style = getComputedStyle(root);
  const read = (name) => style.getPropertyValue(`--cwb-plot-${name}`).trim();
  const names = ["text", "muted", "grid", "surface", "visited", "suggested", "original", "front", "bar", "rail", "pinned"];
  return { ...Object.fromEntries(names.map((name) => [name, read(name)])), accent: style.getPropertyValue("--cwb-accent").trim() };
}

// Plotly reads a few tags in its texts; a layer's or a network's name must not be read so.
function escapeMarkup(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

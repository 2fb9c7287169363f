// The trade-off plot: every recipe visited stays. Plotly draws it, from one script that is fetched once a page.

import { make, makeSelect, setText } from "./elements.js";

let plotlyLoading = null;

// From the server that shows the page where it has the script (see widgets/server), from the kernel where it has not.
function loadPlotly(model) {
  plotlyLoading ??= (async () => {
    if (window.Plotly?.react) return window.Plotly;
    const config = document.getElementById("jupyter-config-data");
    const base = config ? JSON.parse(config.textContent).baseUrl ?? "/" : "/";
    try {
      await runScript(new URL(`${base}workbench/plotly/${model.get("catalogue").plotly}.js`, location.href).href);
    } catch {
      const script = new Response(new Blob([await askForPlotly(model)]).stream().pipeThrough(new DecompressionStream("gzip")));
      const url = URL.createObjectURL(new Blob([await script.arrayBuffer()], { type: "text/javascript" }));
      await runScript(url);
      URL.revokeObjectURL(url);
    }
    return window.Plotly;
  })();
  return plotlyLoading;
}

function runScript(src) {
  return new Promise((resolve, reject) => {
    const script = make("script", { src, onload: () => resolve(), onerror: () => reject(new Error(src)) });
    document.head.append(script);
  });
}

function askForPlotly(model) {
  return new Promise((resolve) => {
    const heard = (message, buffers) => {
      if (message.kind !== "plotly") return;
      model.off("msg:custom", heard);
      resolve(buffers[0]);
    };
    model.on("msg:custom", heard);
    model.send({ kind: "plotly" });
  });
}

export function createPlot({ model, link, root, signal }) {
  const drawing = make("div", { className: "cwb-plot", role: "img" });
  const body = make("tbody");
  const axes = model.get("catalogue").axes;
  const score = make("th", { scope: "col" });
  const heads = ["Recipe", ...axes.map((one) => one.label)].map((text) => make("th", { scope: "col", text }));
  const known = make("th", { scope: "col", text: "Known" });
  const table = make("table", {}, make("thead", {}, make("tr", {}, ...heads, score, known)), body);
  const count = make("summary");
  const list = make("details", { className: "cwb-points", ontoggle: () => draw() }, count, make("div", { className: "cwb-scroll" }, table));
  let axis = "size";
  const chooser = makeSelect("Across", axes.map((one) => [one.key, one.label]), (key) => {
    axis = key;
    draw();
  });
  let reach = "all";
  const reaches = [["all", "all points"], ["near", "near the original"]];
  const zoom = makeSelect("Show", reaches, (value) => {
    reach = value;
    draw();
  });
  const card = make(
    "section",
    { className: "cwb-tradeoff", "aria-label": "Trade-off plot" },
    make("div", { className: "cwb-card-head" }, zoom.root, chooser.root),
    drawing,
    list,
  );
  let busy = false;
  let again = false;

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
        const points = model.get("points");
        if (!points.points || signal.aborted || !drawing.clientWidth) break; // out of view it has no size
        const about = axes.find((one) => one.key === axis);
        describe(points, about);
        await plotly.react(drawing, traces(points), layout(points, about), { displayModeBar: false, responsive: true });
        await new Promise((resolve) => setTimeout(resolve, 70)); // never more than 15 drawings a second
      } while (again);
    } finally {
      busy = false;
    }
  }

  // A drawing takes as long as two frames, so it waits until nobody moves, though no longer than a second.
  async function pause() {
    const due = performance.now() + 1000;
    while (performance.now() < Math.min(due, link.moved + 150)) await new Promise((resolve) => setTimeout(resolve, 50));
  }

  function describe(points, about) {
    const current = points.points.find((one) => one.digest === points.current);
    const said = points.score.toLowerCase();
    const now = current ? ` The current one: ${current.label}, ${current.texts[axis]}, ${said} ${current.texts.accuracy}.` : "";
    setText(score, points.score);
    drawing.setAttribute("aria-label", `${points.score} over ${about.label.toLowerCase()} of ${points.points.length} recipes visited.${now}`);
    setText(count, `All ${points.points.length} points as a table`);
    if (!list.open) return;
    const all = [...(points.original ? [points.original] : []), ...points.points];
    body.replaceChildren(
      ...all.map((one) =>
        make(
          "tr",
          one.digest === points.current ? { "aria-current": "true" } : {},
          make("th", { scope: "row", text: one.label }),
          ...[...axes.map((about) => about.key), "accuracy"].map((key) => make("td", { text: one.texts[key] })),
          make("td", { text: one.exact ? "exact" : "estimate" }),
        ),
      ),
    );
  }

  function trace(rows, score, marker, name) {
    const estimate = (one, bound) => (one.exact ? 0 : Math.abs(one[bound] - one.accuracy) * 100);
    return {
      type: "scatter",
      mode: "markers",
      name,
      x: rows.map((one) => one[axis]),
      y: rows.map((one) => one.accuracy * 100),
      error_y: {
        type: "data", symmetric: false, thickness: 1, width: 0, color: marker.color,
        array: rows.map((one) => estimate(one, "high")), arrayminus: rows.map((one) => estimate(one, "low")),
      },
      text: rows.map((one) => `${escapeMarkup(one.label)}<br>${one.texts[axis]}<br>${score.toLowerCase()} ${one.texts.accuracy}`),
      hovertemplate: "%{text}<extra></extra>",
      marker: { ...marker, symbol: marker.symbol ?? rows.map((one) => (one.exact ? "circle" : "circle-open")) },
    };
  }

  function traces(points) {
    const color = colors(root);
    const current = points.points.filter((one) => one.digest === points.current);
    return [
      trace(points.points, points.score, { color: color.visited, size: 7, line: { width: 1.5, color: color.visited } }, "visited (hollow: estimate)"),
      trace(points.original ? [points.original] : [], points.score, { color: color.text, size: 11, symbol: "diamond" }, "original"),
      trace(current, points.score, { color: color.accent, size: 13, line: { width: 2, color: color.surface } }, "current"),
    ];
  }

  function layout(points, about) {
    const color = colors(root);
    const all = [...(points.original ? [points.original] : []), ...points.points];
    const line = { gridcolor: color.grid, linecolor: color.grid, zeroline: false, ticks: "", automargin: true };
    const font = { family: getComputedStyle(root).fontFamily, size: 12, color: color.muted };
    return {
      uirevision: `${points.title} ${axis} ${reach}`,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font,
      margin: { l: 8, r: 16, t: 8, b: 8 },
      hovermode: "closest",
      hoverlabel: { bgcolor: color.surface, bordercolor: color.grid, font: { ...font, color: color.text } },
      xaxis: { ...line, ...costScale(all.map((one) => one[axis]), about), title: { text: about.label, standoff: 10 } },
      yaxis: { ...line, ...accuracyScale(points, all), title: { text: `${points.score}, %`, standoff: 10 } },
      showlegend: true,
      legend: { orientation: "h", x: 1, xanchor: "right", y: 1.02, yanchor: "bottom", bgcolor: "rgba(0,0,0,0)" },
    };
  }

  function accuracyScale(points, all) {
    if (reach === "near" && points.original) {
      const top = points.original.accuracy * 100;
      return { range: [top - 5, Math.min(top + 1, 100.5)] };
    }
    if (!all.length) return { range: [0, 100] };
    const values = all.map((one) => one.accuracy * 100);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const room = Math.max((high - low) * 0.08, 0.5);
    return { range: [low - room, Math.min(high + room, 101)] };
  }

  model.on("change:points", draw);
  signal.addEventListener("abort", () => {
    model.off("change:points", draw);
    window.Plotly?.purge(drawing);
  });
  return { name: "tradeoff", title: "Trade-off", root: card, shown: draw };
}

function colors(root) {
  const style = getComputedStyle(root);
  const read = (name) => style.getPropertyValue(name).trim();
  return {
    text: read("--cwb-plot-text"), muted: read("--cwb-plot-muted"), grid: read("--cwb-plot-grid"),
    accent: read("--cwb-accent"), visited: read("--cwb-plot-visited"), surface: read("--cwb-plot-surface"),
  };
}

// A logarithmic axis with a margin, and a tick at 1, 2 and 5 of every power of ten, written as people say it.
function costScale(values, about) {
  const known = values.filter((value) => value > 0);
  const [low, high] = known.length ? [Math.min(...known) / 1.5, Math.max(...known) * 1.5] : [1, 10];
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
    ticktext: tickvals.map((tick) => withPrefix(tick, about.unit)),
  };
}

function withPrefix(value, unit) {
  if (value < 1 && unit !== "J") return String(Number(value.toPrecision(2)));
  const power = Math.floor(Math.log10(value) / 3 + 1e-9);
  const prefix = { "-4": "p", "-3": "n", "-2": "µ", "-1": "m", 0: "", 1: "k", 2: "M", 3: "G", 4: "T" }[power];
  if (prefix === undefined) return value.toExponential(0);
  const short = unit === "bytes" ? (prefix ? "B" : " bytes") : unit === "J" ? "J" : "";
  return `${Math.round((value / 10 ** (3 * power)) * 10) / 10}\u00a0${prefix}${short}`.trim();
}

// Plotly reads a few tags in its texts; a layer's or a network's name must not be read so.
function escapeMarkup(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

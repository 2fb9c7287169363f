// The weights of one layer, in five pictures of one message: only the one that is chosen is drawn.

import { makeChoice } from "./choice.js";
import { make, makeSelect, setShown, setText } from "./elements.js";
import { axesBox, bytesOf, channelsOf, createFigure, fade, paintAxes, stroke } from "./figure.js";
import { createLook } from "./look.js";

const WEIGHT_VIEWS = [["histogram", "Histogram"], ["zeros", "Zeros"], ["bits", "Bits"], ["spectrum", "Spectrum"], ["filters", "Filters"]];

export function createWeights(page) {
  const { link, model } = page;
  let layer = null;
  let factor = 0;
  let view = "histogram";
  let content = null;
  let buffers = [];
  let overrides = {};

  const layers = makeSelect("Layer", [], (name) => choose(name));
  const factors = makeSelect("Stored as", [], (value) => {
    factor = Number(value);
    page.pictures.changed("weights");
  });
  const title = make("span", { className: "cwb-muted" });
  const views = makeChoice("What is seen of the weights", WEIGHT_VIEWS, (value) => {
    view = value;
    show();
  });
  const figure = createFigure(page, "cwb-weights-figure", (pen, size, ink) => content && PAINTERS[view]?.(pen, size, ink, content[view], buffers));
  const bits = make("div", { className: "cwb-bits" });
  const look = createLook(make("div", {}, figure.canvas, bits));
  const root = make(
    "div",
    { className: "cwb-weights" },
    make("div", { className: "cwb-card-head" }, layers.root, factors.root, title, views.root),
    look.root,
  );
  views.show(view);

  function choose(name) {
    layer = name;
    factor = 0;
    page.pictures.changed("weights");
  }

  function show() {
    if (!content) return;
    if (!content[view]) view = "histogram";
    views.show(view);
    const shown = content[view];
    setShown(bits, view === "bits");
    setShown(figure.canvas, view !== "bits" && shown.label !== undefined);
    if (view === "bits") bits.replaceChildren(...bitTables(shown));
    figure.canvas.setAttribute("aria-label", shown.label ?? "");
    look.tell({ colours: colours(view, shown), says: shown.says, table: shown.table });
    root.dataset.view = view;
    figure.draw();
  }

  // The layer whose own slider was moved last is the one to be looked at.
  link.listen(({ position }) => {
    const names = Object.keys(position.overrides).filter((name) => JSON.stringify(position.overrides[name]) !== JSON.stringify(overrides[name]));
    overrides = structuredClone(position.overrides);
    if (names.length === 1) [layer, factor] = [names[0], 0];
  });

  return {
    name: "weights",
    title: "Weights",
    root,
    question() {
      const known = model.get("state").layers.some((one) => one.name === layer);
      return { layer: known ? layer : null, factor: known ? factor : 0 };
    },
    draw(given, its) {
      content = given;
      buffers = its.map(bytesOf);
      ({ layer, factor } = content);
      setChoices(layers.select, content.layers.map((one) => [one.name, one.label]), layer);
      setChoices(factors.select, content.factors.map((text, number) => [String(number), text]), String(factor));
      setShown(factors.root, content.factors.length > 0);
      setText(title, content.title);
      views.tell("filters", "", content.filters !== null);
      root.dataset.layer = layer;
      show();
    },
    shown: figure.draw,
  };
}

function setChoices(select, choices, value) {
  const known = JSON.stringify(choices);
  if (select.dataset.choices !== known) {
    select.dataset.choices = known;
    select.replaceChildren(...choices.map(([name, text]) => make("option", { value: name, text })));
  }
  select.value = value;
}

function colours(view, shown) {
  if (view === "histogram") {
    const before = shown.before.length ? [["before", "original"]] : [];
    return [...before, ["now", "now"], ...(shown.band ? [["gone", "became zero"]] : [])];
  }
  if (view === "spectrum" && shown.before) return [["before", "original"], ["now", "now"]];
  if (view === "filters") return [["now", "above zero"], ["warm", "below zero"]];
  return [];
}

// Each takes what is to be painted, in shares of the width and the height, and the buffers of the whole message.
const PAINTERS = { histogram: paintHistogram, zeros: paintZeros, spectrum: paintSpectrum, filters: paintFilters };

function paintHistogram(pen, size, ink, shown) {
  const box = axesBox(size);
  const x = (share) => box.left + share * box.width;
  const y = (share) => box.top + (1 - share) * box.height;
  if (shown.band) {
    pen.fillStyle = fade(ink.warm, 0.2);
    pen.fillRect(x(shown.band[0]), box.top, (shown.band[1] - shown.band[0]) * box.width, box.height);
  }
  paintAxes(pen, box, ink, { ...shown, below: "value of a weight", beside: "weights, each line ten times the one below" });
  pen.fillStyle = fade(ink.muted, 0.45);
  paintBars(pen, shown.before, x, y);
  pen.fillStyle = fade(ink.accent, 0.75);
  paintBars(pen, shown.after, x, y);
  pen.strokeStyle = ink.accent;
  pen.fillStyle = ink.accent;
  for (const [at, height] of shown.stems) {
    pen.lineWidth = 2;
    stroke(pen, x(at), y(0), x(at), y(height));
    pen.beginPath();
    pen.arc(x(at), y(height), 3, 0, 2 * Math.PI);
    pen.fill();
  }
  pen.lineWidth = 1;
  for (const at of shown.ticks) stroke(pen, x(at), y(0), x(at), y(0) - 6);
  if (!shown.zero) return;
  pen.lineWidth = 3;
  pen.strokeStyle = ink.accent;
  stroke(pen, x(shown.zero.at), y(0), x(shown.zero.at), y(shown.zero.height));
  pen.fillStyle = ink.text;
  pen.textBaseline = "middle";
  const room = box.left + box.width - x(shown.zero.at) > pen.measureText(shown.zero.text).width + 10;
  pen.textAlign = room ? "left" : "right";
  pen.fillText(shown.zero.text, x(shown.zero.at) + (room ? 8 : -8), y(shown.zero.height) + 7);
}

function paintBars(pen, heights, x, y) {
  heights.forEach((height, bin) => {
    const left = Math.round(x(bin / heights.length));
    const right = Math.round(x((bin + 1) / heights.length));
    if (height > 0) pen.fillRect(left, y(height), Math.max(right - left - 1, 1), y(0) - y(height));
  });
}

function paintZeros(pen, size, ink, shown, [mask]) {
  const { down, across, bits } = shown;
  const most = Math.min(size.width / across, size.height / down);
  const dot = most >= 1 ? Math.min(Math.floor(most * window.devicePixelRatio) / window.devicePixelRatio, 24) : most;
  const [left, top] = [0, 0];
  const image = new ImageData(across, down);
  const [red, green, blue] = channelsOf(ink.accent);
  for (let cell = 0; cell < across * down; cell += 1) {
    const share = bits ? (mask[cell >> 3] >> (cell & 7)) & 1 : Math.min(mask[cell] / shown.fullest, 1);
    image.data.set([red, green, blue, Math.round(255 * share)], 4 * cell);
  }
  const small = new OffscreenCanvas(across, down);
  small.getContext("2d").putImageData(image, 0, 0);
  pen.imageSmoothingEnabled = most < 1;
  pen.drawImage(small, left, top, across * dot, down * dot);
  pen.strokeStyle = ink.grid;
  pen.strokeRect(left + 0.5, top + 0.5, across * dot - 1, down * dot - 1);
}

function paintSpectrum(pen, size, ink, shown) {
  const box = axesBox(size);
  const x = (share) => box.left + share * box.width;
  const y = (share) => box.top + (1 - share) * box.height;
  paintAxes(pen, box, ink, { ...shown, below: "direction, the strongest first", beside: "singular value, logarithmic" });
  const line = (points, color, width) => {
    pen.strokeStyle = color;
    pen.lineWidth = width;
    pen.lineJoin = "round";
    pen.beginPath();
    points.forEach(([at, height]) => pen.lineTo(x(at), y(height)));
    pen.stroke();
  };
  if (shown.cut) {
    pen.fillStyle = fade(ink.warm, 0.12);
    pen.fillRect(x(shown.cut.at), box.top, box.width * (1 - shown.cut.at), box.height);
  }
  line(shown.before, fade(ink.muted, 0.6), 5);
  line(shown.after, ink.accent, 2);
  if (!shown.cut) return;
  pen.strokeStyle = ink.warm;
  pen.lineWidth = 1.5;
  pen.setLineDash([5, 4]);
  stroke(pen, x(shown.cut.at), box.top, x(shown.cut.at), box.top + box.height);
  pen.setLineDash([]);
  pen.fillStyle = ink.text;
  pen.textBaseline = "top";
  pen.textAlign = shown.cut.at < 0.6 ? "left" : "right";
  pen.fillText(shown.cut.text, x(shown.cut.at) + (shown.cut.at < 0.6 ? 7 : -7), box.top + 4);
}

// Every kernel above, and under it what has become of it, from left to right and then from the top down.
function paintFilters(pen, size, ink, { count, height, width }, [, before, after]) {
  const gap = 8;
  let dot = 14;
  const rows = () => Math.ceil(count / Math.max(1, Math.floor((size.width + gap) / (width * dot + gap))));
  while (dot > 1 && rows() * (2 * height * dot + 3 + gap) > size.height + gap) dot -= 1;
  const each = Math.max(1, Math.floor((size.width + gap) / (width * dot + gap)));
  for (let kernel = 0; kernel < count; kernel += 1) {
    const left = (kernel % each) * (width * dot + gap);
    const top = Math.floor(kernel / each) * (2 * height * dot + 3 + gap);
    [before, after].forEach((shades, place) => {
      const from = top + place * (height * dot + 3);
      pen.fillStyle = fade(ink.muted, 0.12);
      pen.fillRect(left, from, width * dot, height * dot);
      for (let pixel = 0; pixel < height * width; pixel += 1) {
        const shade = (shades[kernel * height * width + pixel] << 24) >> 24; // of eight bits, with a sign
        pen.fillStyle = fade(shade < 0 ? ink.warm : ink.accent, Math.abs(shade) / 127);
        pen.fillRect(left + (pixel % width) * dot, from + Math.floor(pixel / width) * dot, dot, dot);
      }
    });
  }
}

function bitTables({ words, head, runs, label }) {
  const heads = (texts) => make("thead", {}, make("tr", {}, ...texts.map((text) => make("th", { scope: "col", text }))));
  const code = words.some((word) => word.code);
  const wordRows = words.map((word) =>
    make(
      "tr",
      {},
      make("th", { scope: "row", text: word.place }),
      make("td", { className: "cwb-mono" }, ...word.bits.map((piece) => make("span", { className: "cwb-bit-piece", text: piece }))),
      code ? make("td", { text: word.code }) : null,
      make("td", { className: "cwb-muted", text: word.level }),
      make("td", { text: word.value }),
    ),
  );
  const runRows = runs.map((run) =>
    make(
      "tr",
      {},
      make("th", { scope: "row" }, make("span", { text: run.name }), make("span", { className: "cwb-muted", text: run.what })),
      make("td", { className: "cwb-muted" }, make("span", { text: run.where }), make("span", { text: run.size })),
      make("td", { className: "cwb-mono", text: run.bytes + (run.more ? " …" : "") }),
    ),
  );
  const wordTable = make("table", { "aria-label": label }, heads([head, "Bits", ...(code ? ["Code"] : []), "How it is read", "Value"]), make("tbody", {}, ...wordRows));
  const runTable = make("table", { "aria-label": "The bytes of the file that hold them" }, heads(["In the file", "From", "First bytes"]), make("tbody", {}, ...runRows));
  return [
    ...(words.length ? [make("div", { className: "cwb-scroll", tabindex: 0, role: "region", "aria-label": label }, wordTable)] : []),
    make("div", { className: "cwb-scroll", tabindex: 0, role: "region", "aria-label": "First bytes" }, runTable),
  ];
}

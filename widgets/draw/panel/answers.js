// How the answers to the test images changed: the images themselves, by class, by pair of classes, and how sure of them.

import { makeChoice } from "./choice.js";
import { make, setShown, setText } from "./elements.js";
import { axesBox, bytesOf, createFigure, fade, paintAxes, pixelCanvas, stroke } from "./figure.js";
import { createLook } from "./look.js";
import { placeBeside } from "./tip.js";

const ANSWER_VIEWS = [["flips", "Which flipped"], ["classes", "By class"], ["confusion", "Confusion"], ["calibration", "Confidence"]];
const AT_A_TIME = 24;

export function createAnswers(page) {
  let view = "flips";
  let group = "lost";
  let first = 0;
  let content = null;
  let pixels = null;

  const views = makeChoice("What is seen of the answers", ANSWER_VIEWS, (value) => ask(() => (view = value)));
  const verdict = make("p", { className: "cwb-answers-verdict" });
  const groups = make("div");
  const flips = createFlips(page, (to) => ask(() => (first = to)));
  const figure = createFigure(page, "cwb-reliability", (pen, size, ink) => content?.calibration && paintReliability(pen, size, ink, content.calibration));
  const drawn = make("div", {}, figure.canvas);
  const table = make("div", { className: "cwb-scroll", tabindex: 0, role: "region" });
  const look = createLook(make("div", {}, drawn, table));
  const nothing = make("p", { className: "cwb-help" });
  const root = make(
    "div",
    { className: "cwb-answers" },
    make("div", { className: "cwb-card-head" }, verdict, views.root),
    groups,
    flips.root,
    look.root,
    nothing,
  );
  let choice = null;

  function ask(change) {
    change();
    page.pictures.changed("answers");
  }

  // Its words depend on the task, so it is made anew where these change.
  function showGroups(given) {
    const words = JSON.stringify(given.map((one) => [one.key, one.label]));
    if (groups.dataset.words !== words) {
      groups.dataset.words = words;
      choice = makeChoice("Which images", given.map((one) => [one.key, one.label]), (value) =>
        ask(() => {
          group = value;
          first = 0;
        }),
      );
      groups.replaceChildren(choice.root);
    }
    for (const one of given) choice.tell(one.key, one.count);
    choice.show(group);
  }

  function show() {
    const shown = content[view];
    setText(verdict, content.verdict);
    setShown(groups, view === "flips");
    setShown(flips.root, view === "flips");
    setShown(look.root, view !== "flips" && Boolean(shown));
    setShown(nothing, !shown);
    setText(nothing, `${content.task} asks for no single class of an image, so there is no such picture of it.`);
    if (view === "flips") {
      showGroups(content.groups);
      flips.show(content.flips, pixels);
    } else if (shown) {
      setShown(drawn, view === "calibration");
      setShown(table, view === "classes" || (view === "confusion" && shown.rows.length > 0));
      table.setAttribute("aria-label", shown.label);
      figure.canvas.setAttribute("aria-label", shown.label);
      if (view === "classes") table.replaceChildren(classTable(shown));
      if (view === "confusion") table.replaceChildren(confusionTable(shown));
      look.tell({ ...shown, colours: view === "confusion" ? [["warm", "more"], ["now", "fewer"]] : [["before", "original"], ["now", "now"]] });
    }
    root.dataset.view = view;
    figure.draw();
  }

  views.show(view);
  for (const part of [groups, look.root, nothing]) setShown(part, false); // until something is known
  return {
    name: "answers",
    title: "Answers",
    root,
    question: () => ({ view, group, first }),
    draw(given, buffers) {
      content = given;
      pixels = buffers.length ? bytesOf(buffers[0]) : null;
      view = content.view;
      if (content.flips) ({ group, first } = content.flips);
      views.show(view);
      show();
    },
    shown: figure.draw,
  };
}

// The images, a page of them at a time, and one of them large.
function createFlips(page, turn) {
  const list = make("ul", { className: "cwb-flips" });
  const where = make("span", { className: "cwb-muted", role: "status" });
  const back = make("button", { type: "button", className: "cwb-quiet", text: "Back", onclick: () => go(-AT_A_TIME) });
  const more = make("button", { type: "button", className: "cwb-quiet", text: "More", onclick: () => go(AT_A_TIME) });
  const legend = make("span", { className: "cwb-muted" });
  const large = make("div", { className: "cwb-about cwb-large", popover: "auto", role: "dialog", "aria-label": "One image", tabindex: -1 });
  const root = make("div", {}, list, make("div", { className: "cwb-pager" }, where, back, more, legend), large);
  let shown = null;

  function go(step) {
    const to = shown.first + step;
    if (to >= 0 && to < shown.total) turn(to);
  }

  function enlarge(button, one, picture) {
    large.replaceChildren(
      ...(picture ? [copyOf(picture)] : []),
      make("p", { className: "cwb-large-title", text: `Test image ${(one.number + 1).toLocaleString("en")}` }),
      make("ul", {}, ...one.says.map((text) => make("li", { text }))),
      ...(page.tryImage && picture
        ? [make("button", { type: "button", text: "Try it", onclick: () => tryOut(one.number) })]
        : []),
    );
    large.showPopover();
    placeBeside(large, button);
    large.focus({ preventScroll: true });
  }

  function tryOut(number) {
    large.hidePopover();
    page.tryImage(number);
    page.stage.open("trial");
  }

  return {
    root,
    show(given, pixels) {
      shown = given;
      const { images, first, total, shape } = given;
      const size = shape.length ? shape[0] * shape[1] * shape[2] : 0;
      list.replaceChildren(
        ...images.map((one, place) => {
          const picture = size ? pictureOf(pixels.subarray(place * size, (place + 1) * size), shape, one) : null;
          const button = make(
            "button",
            {
              type: "button", "aria-haspopup": "dialog", onclick: () => enlarge(button, one, picture),
              "aria-label": `Test image ${one.number + 1}. ${one.says.join(", ")}`,
            },
            picture,
            make("span", { className: "cwb-flip-answers", text: one.caption }),
            make("span", { className: "cwb-flip-truth", text: `true ${one.truth}` }),
          );
          return make("li", {}, button);
        }),
      );
      setText(where, total ? `${(first + 1).toLocaleString("en")} to ${(first + images.length).toLocaleString("en")} of ${total.toLocaleString("en")}` : "None: no image is of this kind.");
      back.setAttribute("aria-disabled", String(first === 0));
      more.setAttribute("aria-disabled", String(first + images.length >= total));
      for (const button of [back, more]) setShown(button, total > AT_A_TIME);
      setText(legend, given.legend);
      list.dataset.first = first;
    },
  };
}

// With the boxes on it, where the task is to find one: of the truth, of the original and of the compressed network.
function pictureOf(bytes, shape, { boxes = [] }) {
  const picture = pixelCanvas(bytes, shape);
  return make("span", { className: "cwb-flip-picture", style: `aspect-ratio: ${shape[1]} / ${shape[0]}` }, picture, ...boxElements(boxes));
}

export function boxElements(boxes) {
  const kinds = boxes.length === 3 ? ["truth", "before", "now"] : ["before", "now"];
  return boxes.map(([left, top, right, bottom], place) => {
    const sides = [left, top, right - left, bottom - top].map((side) => `${100 * side}%`);
    const style = ["left", "top", "width", "height"].map((name, at) => `${name}: ${sides[at]}`).join("; ");
    return make("span", { className: `cwb-frame cwb-frame-${kinds[place]}`, style });
  });
}

function copyOf(picture) {
  const copy = picture.cloneNode(true);
  copy.querySelector("canvas").getContext("2d").drawImage(picture.querySelector("canvas"), 0, 0);
  return copy;
}

function classTable({ rows, across, label }) {
  const scale = make("div", { className: "cwb-class-scale", "aria-hidden": "true" }, ...across.map(({ at, text }) => make("span", { style: `left: ${100 * at}%`, text })));
  const head = ["Class", "", "original", "now", "change", "images"];
  const line = (row) => {
    const [low, high] = [row.before, row.after].sort((one, other) => one - other);
    const bar = make("span", { className: `cwb-class-bar ${row.fell ? "cwb-fell" : ""}`, style: `left: ${100 * low}%; width: ${100 * (high - low)}%` });
    const dot = (kind, at) => make("span", { className: `cwb-class-dot cwb-class-${kind}`, style: `left: ${100 * at}%` });
    return make(
      "tr",
      {},
      make("th", { scope: "row", text: row.label }),
      make("td", {}, make("div", { className: "cwb-class-line", "aria-hidden": "true" }, bar, dot("before", row.before), dot("now", row.after))),
      ...[...row.texts, row.images].map((text) => make("td", { text })),
    );
  };
  return make(
    "table",
    { className: "cwb-classes", "aria-label": label },
    make("thead", {}, make("tr", {}, ...head.map((text) => (text ? make("th", { scope: "col", text }) : make("td", {}, scale))))),
    make("tbody", {}, ...rows.map(line)),
  );
}

function confusionTable({ rows, answers, label }) {
  const cell = ({ text, size, sign }) => make("td", { "data-sign": String(sign), style: `--cwb-size: ${size}`, text });
  const head = make("tr", {}, make("td", { text: "true" }), ...answers.map((text) => make("th", { scope: "col", text })));
  const lines = rows.map(({ label: name, cells }) => make("tr", {}, make("th", { scope: "row", text: name }), ...cells.map(cell)));
  return make("table", { className: "cwb-confusion", "aria-label": label }, make("thead", {}, head), make("tbody", {}, ...lines));
}

function paintReliability(pen, size, ink, shown) {
  const box = axesBox(size);
  paintAxes(pen, box, ink, { across: shown.across, up: shown.across, below: "how sure it is", beside: "how often it is right" });
  pen.setLineDash([4, 4]);
  pen.strokeStyle = ink.muted;
  stroke(pen, box.left, box.top + box.height, box.left + box.width, box.top);
  pen.setLineDash([]);
  const dots = (points, color, radius) => {
    pen.strokeStyle = color;
    pen.fillStyle = color;
    pen.lineWidth = 1.5;
    for (const [across, up, weight] of points) {
      const x = box.left + across * box.width;
      stroke(pen, x, box.top + (1 - across) * box.height, x, box.top + (1 - up) * box.height);
      pen.beginPath();
      pen.arc(x, box.top + (1 - up) * box.height, 2.5 + radius * weight, 0, 2 * Math.PI);
      pen.fill();
    }
  };
  dots(shown.before, fade(ink.muted, 0.55), 9);
  dots(shown.after, fade(ink.accent, 0.85), 9);
}

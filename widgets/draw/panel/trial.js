// Try it: a picture that is drawn, dropped or taken from the test images, as both networks see it and what they say.

import { boxElements } from "./answers.js";
import { make, setShown, setText } from "./elements.js";
import { bytesOf, paintPixels } from "./figure.js";

const PAD = 196; // CSS pixels of the longer side of what is drawn on
const EVERY = 80; // milliseconds between two questions while one draws
const INK = 0.085; // width of the pen, as a share of the shorter side

export function createTrial(page) {
  const { link, signal } = page;
  let image = 0; // of the test images; null where something was drawn
  let images = 1;
  let shape = null; // channels, height, width
  let network = null;
  let waiting = null;
  let drawing = false;

  const pad = make("canvas", {
    className: "cwb-pad", role: "img", "aria-label": "Draw here with the pointer", onpointerdown: begin, onpointermove: go, onpointerup: end, onpointercancel: end,
    ondragover: (event) => event.preventDefault(), ondrop: dropped,
  });
  const pen = pad.getContext("2d", { willReadFrequently: true });
  const file = make("input", { type: "file", accept: "image/*", hidden: true, onchange: () => take(file.files[0]) });
  const chooseFile = make("button", { type: "button", text: "Picture file…", onclick: () => file.click() });
  const clear = make("button", { type: "button", text: "Clear", onclick: wipe });
  const previous = make("button", { type: "button", text: "‹", "aria-label": "Previous test image", onclick: () => tryImage(image === null ? 0 : image - 1) });
  const next = make("button", { type: "button", text: "Next image ›", "aria-label": "Next test image", onclick: () => tryImage(image === null ? 0 : image + 1) });
  const seen = make("canvas", { className: "cwb-pixels", role: "img", "aria-label": "What both are given" });
  const boxes = make("span", { className: "cwb-seen-picture" }, seen);
  const seenText = make("p", { className: "cwb-help" });
  const verdict = make("p", { className: "cwb-trial-verdict", role: "status" });
  const before = createSaid("Original");
  const after = createSaid("Now");
  const refusal = make("p", { className: "cwb-refusal", role: "alert", hidden: true });
  const root = make(
    "div",
    { className: "cwb-trial" },
    make(
      "div",
      { className: "cwb-pad-side" },
      pad,
      make("div", { className: "cwb-pad-buttons", onkeydown: turned }, previous, next),
      make("div", { className: "cwb-pad-buttons" }, clear, chooseFile, file),
    ),
    make("div", { className: "cwb-seen" }, make("h4", { text: "As the networks see it" }), boxes, seenText, refusal),
    make("div", { className: "cwb-saids" }, verdict, before.root, after.root),
  );

  // A network of other inputs starts with its own first image.
  link.listen(({ position }) => {
    if (network !== null && position.model !== network) [image, images, shape] = [0, 1, null];
    network = position.model;
  });
  signal.addEventListener("abort", () => clearTimeout(waiting));

  function ask() {
    setShown(refusal, false);
    page.pictures.changed("trial");
  }

  function soon() {
    waiting ??= setTimeout(() => {
      waiting = null;
      ask();
    }, EVERY);
  }

  function tryImage(number) {
    image = Math.max(0, Math.min(number, images - 1));
    ask();
  }
  page.tryImage = (number) => {
    images = Math.max(images, number + 1);
    tryImage(number);
  };

  function turned(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    tryImage(image === null ? 0 : image + step);
  }

  function wipe() {
    image = null;
    pen.fillStyle = "#000000";
    pen.fillRect(0, 0, pad.width, pad.height);
    ask();
  }

  function begin(event) {
    if (!shape || event.button !== 0) return;
    if (image !== null) wipe();
    drawing = true;
    pad.setPointerCapture(event.pointerId);
    pen.strokeStyle = "#ffffff";
    pen.lineWidth = INK * Math.min(pad.width, pad.height);
    pen.lineCap = "round";
    pen.lineJoin = "round";
    pen.beginPath();
    pen.moveTo(...placeOf(event));
    go(event);
  }

  function go(event) {
    if (!drawing) return;
    for (const one of event.getCoalescedEvents?.() ?? []) pen.lineTo(...placeOf(one));
    pen.lineTo(...placeOf(event));
    pen.stroke();
    soon();
  }

  function end() {
    if (!drawing) return;
    drawing = false;
    soon();
  }

  function placeOf(event) {
    const box = pad.getBoundingClientRect();
    return [((event.clientX - box.left) * pad.width) / box.width, ((event.clientY - box.top) * pad.height) / box.height];
  }

  function dropped(event) {
    event.preventDefault();
    take(event.dataTransfer.files[0]);
  }

  // The browser reads the file; its pixels alone go to the kernel. What the picture does not cover has its mean colour.
  async function take(from) {
    if (!from || !shape) return;
    file.value = "";
    try {
      const picture = await createImageBitmap(from);
      Object.assign(pen, { imageSmoothingEnabled: true, imageSmoothingQuality: "high" });
      const one = new OffscreenCanvas(1, 1);
      one.getContext("2d").drawImage(picture, 0, 0, 1, 1);
      pen.fillStyle = `rgb(${[...one.getContext("2d").getImageData(0, 0, 1, 1).data.slice(0, 3)].join(", ")})`;
      pen.fillRect(0, 0, pad.width, pad.height);
      const scale = Math.min(pad.width / picture.width, pad.height / picture.height);
      const [width, height] = [picture.width * scale, picture.height * scale];
      pen.drawImage(picture, (pad.width - width) / 2, (pad.height - height) / 2, width, height);
      image = null;
      ask();
    } catch {
      setText(refusal, `${from.name} is not a picture that the browser can read.`);
      setShown(refusal, true);
    }
  }

  // What is drawn at the size that the networks take: grey or red, green and blue, whole numbers from 0 to 255.
  function pixelsDrawn() {
    const [channels, height, width] = shape;
    const small = new OffscreenCanvas(width, height).getContext("2d");
    small.imageSmoothingQuality = "high";
    small.drawImage(pad, 0, 0, width, height);
    const { data } = small.getImageData(0, 0, width, height);
    const at = (pixel, channel) =>
      channels === 3 ? data[4 * pixel + channel] : Math.round(0.299 * data[4 * pixel] + 0.587 * data[4 * pixel + 1] + 0.114 * data[4 * pixel + 2]);
    return Array.from({ length: channels * height * width }, (_, place) => at(place % (height * width), Math.floor(place / (height * width))));
  }

  function fit(given) {
    if (JSON.stringify(shape) === JSON.stringify(given)) return;
    shape = given;
    const [, height, width] = shape;
    const scale = PAD / Math.max(height, width);
    Object.assign(pad, { width: Math.round(2 * width * scale), height: Math.round(2 * height * scale) });
    Object.assign(pad.style, { width: `${width * scale}px`, height: `${height * scale}px` });
    boxes.style.width = `${Math.max(2 * width, 112)}px`;
  }

  return {
    name: "trial",
    title: "Try it",
    root,
    question: () => (image === null && shape ? { image: null, pixels: pixelsDrawn() } : { image: image ?? 0, pixels: null }),
    draw(content, buffers) {
      fit(content.shape);
      images = content.images;
      const [channels, height, width] = content.shape;
      const planes = bytesOf(buffers[0]);
      const pixels = Uint8Array.from({ length: planes.length }, (_, at) => planes[(at % channels) * height * width + Math.floor(at / channels)]);
      paintPixels(seen, pixels, [height, width, channels]);
      const found = boxElements(content.boxes ?? []);
      boxes.replaceChildren(seen, ...found);
      if (image !== null) {
        pen.imageSmoothingEnabled = false;
        pen.drawImage(seen, 0, 0, pad.width, pad.height);
      }
      setText(seenText, content.seen);
      setText(verdict, content.blank ? "Nothing is drawn yet: draw, drop a picture, or take a test image." : `${content.truth ? `True: ${content.truth}. ` : ""}${content.says}`);
      verdict.dataset.same = content.blank ? "" : String(content.same);
      before.show(content.before);
      after.show(content.after);
      previous.setAttribute("aria-disabled", String(image === 0));
      next.setAttribute("aria-disabled", String(image !== null && image >= images - 1));
      root.dataset.image = image ?? "drawn";
    },
  };
}

// The answer of one network, and the classes that it takes to be most probable.
function createSaid(title) {
  const answer = make("span", { className: "cwb-said-answer" });
  const list = make("ul");
  const root = make("section", { className: "cwb-said", "aria-label": title }, make("h4", { text: title }), answer, list);
  return {
    root,
    show(said) {
      setText(answer, said?.answer ?? "–");
      list.replaceChildren(
        ...(said?.rows ?? []).map((row) =>
          make(
            "li",
            {},
            make("span", { className: "cwb-said-label", text: row.label }),
            make("span", { className: "cwb-said-bar", "aria-hidden": "true" }, make("span", { style: `width: ${100 * row.share}%` })),
            make("span", { className: "cwb-said-text", text: row.text }),
          ),
        ),
      );
    },
  };
}

// Drawings of our own, as sharp as the screen: a canvas that is painted anew when its size or the theme changes.

import { make } from "./elements.js";

// paint(pen, {width, height}, ink) draws in CSS pixels.
export function createFigure(page, className, paint) {
  const canvas = make("canvas", { className: `cwb-drawing ${className}`, role: "img", "aria-label": "Not drawn yet" });
  const draw = () => {
    const { clientWidth: width, clientHeight: height } = canvas;
    if (!width || !height) return;
    const scale = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    pen.font = `11.5px ${getComputedStyle(canvas).fontFamily}`;
    paint(pen, { width, height }, inks(page.root));
  };
  const observer = new ResizeObserver(draw);
  observer.observe(canvas);
  page.signal.addEventListener("abort", () => observer.disconnect());
  return { canvas, draw };
}

// The theme's colours, each written as six hexadecimal digits in elements.css.
function inks(root) {
  const style = getComputedStyle(root);
  const read = (name) => style.getPropertyValue(`--cwb-${name}`).trim();
  return {
    text: read("plot-text"), muted: read("plot-muted"), grid: read("plot-grid"), surface: read("plot-surface"),
    accent: read("accent"), warm: read("warning"), visited: read("plot-visited"),
  };
}

export function channelsOf(hex) {
  return [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));
}

export function fade(hex, share) {
  return `rgba(${channelsOf(hex).join(", ")}, ${share})`;
}

// Lines and texts at the marks, {at: share of the way, text}, along both sides of a box; titles say what they measure.
export function paintAxes(pen, box, ink, { across, up, below, beside }) {
  pen.lineWidth = 1;
  pen.strokeStyle = ink.grid;
  pen.fillStyle = ink.muted;
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  for (const { at, text } of up) {
    const y = Math.round(box.top + box.height * (1 - at)) + 0.5;
    stroke(pen, box.left, y, box.left + box.width, y);
    pen.fillText(text, box.left - 7, y);
  }
  pen.textBaseline = "top";
  pen.textAlign = "center";
  for (const { at, text } of across) {
    const x = Math.round(box.left + box.width * at) + 0.5;
    stroke(pen, x, box.top + box.height, x, box.top + box.height + 4);
    pen.fillText(text, x, box.top + box.height + 7);
  }
  const floor = Math.round(box.top + box.height) + 0.5;
  pen.strokeStyle = ink.muted;
  stroke(pen, box.left, floor, box.left + box.width, floor);
  pen.textAlign = "right";
  pen.textBaseline = "bottom";
  pen.fillText(below, box.left + box.width, box.top + box.height + 35);
  pen.textAlign = "left";
  pen.textBaseline = "top";
  pen.fillText(beside, 0, 0);
}

export function stroke(pen, fromX, fromY, toX, toY) {
  pen.beginPath();
  pen.moveTo(fromX, fromY);
  pen.lineTo(toX, toY);
  pen.stroke();
}

// Room for the axes around a drawing.
export function axesBox({ width, height }, left = 58) {
  return { left, top: 22, width: width - left - 18, height: height - 60 };
}

// Pixels of a picture as a canvas of its own size, to be scaled by its style. bytes: height × width × channels.
export function pixelCanvas(bytes, [height, width, channels], properties = {}) {
  const canvas = make("canvas", { ...properties, className: `cwb-pixels ${properties.className ?? ""}`, width, height });
  paintPixels(canvas, bytes, [height, width, channels]);
  return canvas;
}

export function paintPixels(canvas, bytes, [height, width, channels]) {
  Object.assign(canvas, { width, height });
  const image = new ImageData(width, height);
  for (let pixel = 0; pixel < width * height; pixel += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      image.data[4 * pixel + channel] = bytes[pixel * channels + (channels === 3 ? channel : 0)];
    }
    image.data[4 * pixel + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

export function bytesOf(buffer) {
  return buffer instanceof DataView ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength) : new Uint8Array(buffer);
}

// All layers side by side, from the input to the output. Each bar is a control: the higher, the more is compressed.

import { make, makeSelect, newId, setText } from "./elements.js";
import { giveOwn, ownStop, takeOwn } from "./overrides.js";
import { travel } from "./range.js";
import { createSensitivity } from "./sensitivity.js";
import { stopText } from "./sliders.js";

const STRAY = 3; // pixels that a press may move before it is a drag
const REACH = 120; // milliseconds that the pointer rests on a bar before the kernel hears of it

// The stop at a height of 0 (untouched) to 1.
function stopAt(slider, height) {
  const stop = slider.off + slider.direction * Math.round(height * (slider.high - slider.low));
  return Math.min(slider.high, Math.max(slider.low, stop));
}

// Without what stands in brackets: "32 bits".
function shortText(slider, stop) {
  return stopText(slider, stop).replace(/ \(.*/, "");
}

function createBar({ name, label }, number) {
  const fill = make("span", { className: "cwb-strip-fill" });
  const marks = make("span", { className: "cwb-strip-marks" });
  const track = make("div", { className: "cwb-strip-track", role: "slider", tabindex: -1, "aria-orientation": "vertical" }, fill, marks);
  const was = make("span");
  const now = make("span");
  const glance = make("div", { className: "cwb-strip-glance", "aria-hidden": "true" }, was, now);
  const curve = make("div", { className: "cwb-strip-curve", "aria-hidden": "true" });
  const value = make("span");
  let minded = "";
  const names = make("div", { className: "cwb-strip-name", "aria-hidden": "true" }, make("span", { text: label }), make("span", { text: number }), value);
  const root = make("div", { className: "cwb-strip-layer", "data-layer": name }, track, glance, curve, names);
  return {
    name,
    label,
    root,
    track,
    stand({ slider, stop, own, refusal, selected, minds }) {
      const left = Boolean(refusal) && own === undefined;
      const fixed = Boolean(refusal?.fixed);
      root.classList.toggle("cwb-own", own !== undefined);
      root.classList.toggle("cwb-fixed", fixed);
      root.classList.toggle("cwb-selected", selected);
      root.style.setProperty("--cwb-height", left ? 0 : travel(slider, stop));
      const words = left ? `left alone: it ${refusal.text}` : `${stopText(slider, stop)}, ${own === undefined ? "as the slider" : "its own value"}`;
      setText(value, left ? "" : shortText(slider, stop));
      const told = {
        "aria-label": `${label}: ${slider.label}`,
        "aria-valuemin": slider.low,
        "aria-valuemax": slider.high,
        "aria-valuenow": left ? slider.off : stop,
        "aria-valuetext": [words, selected && "selected", minds].filter(Boolean).join(", "),
        "aria-disabled": fixed,
      };
      for (const [attribute, value] of Object.entries(told)) {
        if (track.getAttribute(attribute) !== String(value)) track.setAttribute(attribute, String(value));
      }
      return words;
    },
    weigh(shares) {
      root.style.setProperty("--cwb-was", shares?.was ?? 0);
      root.style.setProperty("--cwb-now", shares?.now ?? 0);
    },
    // How much accuracy falls at a few stops: each a mark at its height, and the same as small bars.
    mind(slider, cells) {
      const wanted = JSON.stringify([slider.axis, cells]);
      if (wanted === minded) return;
      minded = wanted;
      const style = (cell) => `--cwb-height: ${travel(slider, cell.stop)}; --cwb-loss: ${cell.share}`;
      marks.replaceChildren(...cells.filter(Boolean).map((cell) => make("span", { style: style(cell) })));
      curve.replaceChildren(
        ...cells.map((cell) => (cell ? make("span", { className: cell.clear ? "" : "cwb-unclear", style: style(cell) }) : make("span", { className: "cwb-unknown" }))),
      );
    },
  };
}

export function createStrip(page) {
  const { link, catalogue, signal } = page;
  const { sliders } = catalogue;
  let slider = sliders[0];
  let shown = catalogue.glances[0][0];
  let bars = new Map();
  let names = "";
  let network = null;
  let standing = null; // the newest position and state
  let hovered = null;
  let focused = null;
  let drag = null;
  let resting = null;
  const selected = new Set();
  const said = new Map(); // layer -> what its bar stands at, in words

  const group = newId("axis");
  const axes = make(
    "div",
    { className: "cwb-segments", role: "radiogroup", "aria-label": "What the bars set" },
    ...sliders.map((one) =>
      make("label", {}, make("input", { type: "radio", name: group, value: one.axis, checked: one === slider, onchange: () => turn(one) }), make("span", { text: one.label })),
    ),
  );
  const glances = makeSelect("Below the bars", [...catalogue.glances, ["sensitivity", "Sensitivity"]], (value) => {
    shown = value;
    draw();
  });
  const free = make("button", { type: "button", className: "cwb-quiet", text: "All follow the slider", onclick: () => release([...bars.keys()]) });
  const sensitivity = createSensitivity(page, () => slider.axis, (asked) => {
    if (asked) glances.select.value = shown = "sensitivity";
    draw();
  });
  const upper = make("span");
  const lower = make("span");
  const level = make("span", { className: "cwb-strip-level" });
  const row = make("div", { className: "cwb-strip-bars", role: "group", "aria-label": "One bar a layer" }, level);
  const scroller = make("div", { className: "cwb-strip-scroll" }, row);
  const word = make("b");
  const detail = make("span");
  const line = make("p", { className: "cwb-strip-line" }, make("span", {}, word, detail));
  const whole = make("p", { className: "cwb-strip-whole" });
  const root = make(
    "section",
    { className: "cwb-strip cwb-card", "aria-label": "All layers" },
    make("div", { className: "cwb-strip-head" }, axes, free, glances.root, sensitivity.button),
    make("div", { className: "cwb-strip-plot" }, make("div", { className: "cwb-strip-scale", "aria-hidden": "true" }, upper, lower), scroller),
    make("div", { className: "cwb-strip-foot" }, line, whole),
  );

  function turn(to) {
    slider = to;
    sensitivity.turn();
    draw();
  }

  function refusal(name) {
    return standing.state.refusals[slider.axis]?.[name];
  }

  function movable(wanted) {
    return wanted.filter((name) => !refusal(name)?.fixed);
  }

  function set(wanted, stop) {
    const moved = movable(wanted).filter((name) => ownStop(link.position, name, slider.axis) !== stop);
    if (moved.length) link.change((position) => giveOwn(position, moved, slider.axis, stop));
  }

  function release(wanted) {
    const held = wanted.filter((name) => ownStop(link.position, name, slider.axis) !== undefined);
    if (held.length) link.change((position) => takeOwn(position, held, slider.axis));
  }

  // What a move of this bar moves: it and those selected with it.
  function together(name) {
    return selected.has(name) ? [...selected] : [name];
  }

  function stopOf(name) {
    const own = ownStop(link.position, name, slider.axis);
    return own ?? (refusal(name) ? slider.off : link.position.stops[slider.axis]);
  }

  function toggle(name) {
    if (!selected.delete(name)) selected.add(name);
    draw();
  }

  function pick(wanted) {
    if (!wanted.length && !selected.size) return;
    selected.clear();
    for (const name of wanted) selected.add(name);
    draw();
  }

  // The one bar that Tab comes to.
  function come(name) {
    for (const bar of bars.values()) bar.track.setAttribute("tabindex", bar.name === name ? "0" : "-1");
  }

  function barAt(target) {
    const found = target instanceof Element ? target.closest(".cwb-strip-layer") : null;
    return found ? bars.get(found.dataset.layer) : undefined;
  }

  row.addEventListener("pointerdown", (event) => {
    const bar = barAt(event.target);
    if (!bar || event.button !== 0) return;
    event.preventDefault(); // neither text is selected nor the focus lost
    const from = focused;
    bar.track.focus();
    if (event.shiftKey || event.ctrlKey || event.metaKey) {
      if (!selected.size && from && from !== bar.name) selected.add(from);
      toggle(bar.name);
      return;
    }
    if (!selected.has(bar.name)) pick([]);
    if (refusal(bar.name)?.fixed) return;
    link.reach(slider.axis, bar.name);
    bar.track.setPointerCapture(event.pointerId);
    drag = { bar, y: event.clientY, from: travel(slider, stopOf(bar.name)), moved: false };
  });
  row.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const up = drag.y - event.clientY;
    if (!drag.moved && Math.abs(up) < STRAY) return;
    drag.moved = true;
    root.classList.add("cwb-dragging");
    set(together(drag.bar.name), stopAt(slider, drag.from + up / drag.bar.track.clientHeight));
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
    row.addEventListener(end, () => {
      drag = null;
      root.classList.remove("cwb-dragging");
    });
  }
  row.addEventListener("dblclick", (event) => {
    const bar = barAt(event.target);
    if (bar) release(together(bar.name));
  });
  row.addEventListener("pointerover", (event) => {
    const name = barAt(event.target)?.name ?? null;
    if (drag || name === hovered) return;
    hovered = name;
    clearTimeout(resting);
    if (name) resting = setTimeout(() => link.reach(slider.axis, name), REACH);
    tell();
  });
  row.addEventListener("pointerleave", () => {
    clearTimeout(resting);
    hovered = null;
    tell();
  });
  row.addEventListener("focusin", (event) => {
    focused = barAt(event.target)?.name ?? null;
    if (!focused) return;
    come(focused);
    link.reach(slider.axis, focused);
    tell();
  });
  row.addEventListener("focusout", () => {
    focused = null;
    tell();
  });
  row.addEventListener("keydown", (event) => {
    const bar = barAt(event.target);
    if (!bar || !press(event, bar)) return;
    event.preventDefault();
    event.stopPropagation();
  });
  signal.addEventListener("abort", () => clearTimeout(resting));

  // Whether the key means something here. Up and down move the bar, left and right go to its neighbours.
  function press({ key, shiftKey, ctrlKey, metaKey, altKey }, bar) {
    if (altKey) return false;
    if (ctrlKey || metaKey) {
      if (key.toLowerCase() !== "a") return false;
      pick([...bars.keys()]);
      return true;
    }
    const steps = slider.high - slider.low;
    const here = travel(slider, stopOf(bar.name)) * steps;
    const page = Math.max(1, Math.round(steps / 10));
    const there = { ArrowUp: here + 1, ArrowDown: here - 1, PageUp: here + page, PageDown: here - page, Home: 0, End: steps }[key];
    if (there !== undefined) set(together(bar.name), stopAt(slider, Math.min(steps, Math.max(0, there)) / steps));
    else if (key === "ArrowLeft" || key === "ArrowRight") walk(bar, key === "ArrowLeft" ? -1 : 1, shiftKey);
    else if (key === " ") toggle(bar.name);
    else if (key === "Delete" || key === "Backspace") release(together(bar.name));
    else if (key === "Escape" && selected.size) pick([]);
    else return false;
    return true;
  }

  function walk(bar, by, extend) {
    const order = [...bars.keys()];
    const next = bars.get(order[order.indexOf(bar.name) + by]);
    if (!next) return;
    next.track.focus();
    if (extend) pick([...selected, bar.name, next.name]);
  }

  function minding() {
    const { standing: at } = sensitivity;
    if (!at) return sensitivity.running ? "" : "How much accuracy falls when one layer alone is compressed: not measured on this axis yet.";
    const most = at.most && standing.state.layers.find((one) => one.name === at.most);
    return most ? `Most sensitive: ${most.label}, ${sensitivity.of(most.name).text} · ${at.status}` : at.status;
  }

  // The one line below the bars: of the bar that the pointer or the focus is on, else how the strip is used.
  function tell() {
    const name = hovered ?? focused;
    const facts = name && standing.state.layers.find((one) => one.name === name);
    const owned = [...bars.keys()].filter((one) => ownStop(standing.position, one, slider.axis) !== undefined);
    if (facts) {
      setText(word, facts.label);
      setText(detail, ` ${[said.get(name), sensitivity.of(name)?.text, facts.glance].filter(Boolean).join(" · ")}`);
    } else if (sensitivity.running || shown === "sensitivity") {
      setText(word, "");
      setText(detail, minding());
    } else if (selected.size) {
      setText(word, `${selected.size} selected`);
      setText(detail, ": a move of one moves them all, Escape lets go.");
    } else {
      setText(word, "");
      setText(detail, owned.length ? "Double-click a bar (or press Delete) to let it follow the slider again." : "Drag a bar to give that layer a value of its own; shift-click to move several.");
    }
    setText(whole, standing.state.whole);
    free.classList.toggle("cwb-away", !owned.length);
  }

  function draw() {
    if (!standing) return;
    const { state, position } = standing;
    const stop = position.stops[slider.axis];
    const top = slider.direction > 0 ? slider.high : slider.low;
    setText(upper, shortText(slider, top));
    setText(lower, shortText(slider, slider.off));
    level.style.setProperty("--cwb-height", travel(slider, stop));
    root.dataset.axis = slider.axis;
    root.dataset.shown = shown;
    for (const facts of state.layers) {
      const bar = bars.get(facts.name);
      const own = ownStop(position, facts.name, slider.axis);
      const minds = sensitivity.of(facts.name);
      const words = bar.stand({ slider, stop: own ?? stop, own, refusal: refusal(facts.name), selected: selected.has(facts.name), minds: minds?.text });
      said.set(facts.name, words);
      bar.weigh(facts.glances[shown]);
      bar.mind(slider, minds?.cells ?? []);
    }
    tell();
  }

  link.listen(({ state, position, current, ahead }) => {
    standing = { state, position };
    const wanted = JSON.stringify(state.layers.map((one) => one.name));
    if (wanted !== names) {
      names = wanted;
      selected.clear();
      hovered = focused = null;
      bars = new Map(state.layers.map((one, index) => [one.name, createBar(one, index + 1)]));
      row.replaceChildren(level, ...[...bars.values()].map((bar) => bar.root));
      row.style.setProperty("--cwb-layers", bars.size);
      come(state.layers[0]?.name ?? null);
    }
    if (network !== position.model && state.position.model === position.model) {
      network = position.model; // which the kernel is at now, too
      sensitivity.turn();
    }
    root.dataset.current = String(current || Boolean(ahead));
    draw();
  });
  return root;
}

// The outcome as a control: what is wished is set, and the kernel looks for a recipe that has it, beside the live sliders.

import { make, makeSelect, setItems, setShown, setText } from "./elements.js";
import { makeRange } from "./range.js";

// A slider over the stops that the kernel names for the network, the first of which is no wish at all. keeps: of a stop's
// value and a wish, whether the one grants the other.
function makeWish(label, keeps, onwish) {
  let stops = [];
  const slider = { low: 0, high: 1, off: 0, direction: 1 };
  const range = makeRange(slider, label, (stop) => put(stop), () => {});
  const root = make("div", { className: "cwb-wish" }, make("div", { className: "cwb-slider-head" }, range.label, range.output), range.input);

  function put(stop) {
    range.show(stop, stops[stop].text);
    onwish();
  }

  return {
    root,
    value: () => stops[Number(range.input.value)]?.value ?? null,
    call: (label) => setText(range.label, label),
    clear: () => stops.length && put(0),
    // Another network, other stops: the wish stays, or becomes the nearest that grants it.
    fill(found) {
      const kept = stops[Number(range.input.value)]?.value ?? null;
      stops = found;
      slider.high = stops.length - 1;
      range.input.max = slider.high;
      put(Math.max(kept === null ? 0 : stops.findIndex(({ value }) => value !== null && keeps(value, kept)), 0));
    },
  };
}

export function createOutcome({ model, link, signal }) {
  let of = null; // the network whose stops there are
  let device = null; // and the device
  let running = false;
  let takes = false;
  const say = (ask, rest = {}) => model.send({ kind: "outcome", ask, ...rest });
  let limits = []; // what can be limited: {metric, label, stops}, size first
  let more = ""; // the metric that is limited beside size
  const size = makeWish("Size at most", (value, wish) => value <= wish, enable);
  const other = makeWish("", (value, wish) => value <= wish, enable);
  const accuracy = makeWish("Accuracy at least", (value, wish) => value >= wish, enable);
  const choice = makeSelect("Limit as well", [["", "nothing else"]], (metric) => {
    other.clear(); // the wish was about something else
    limit(metric);
  });
  const brief = make("span", { className: "cwb-muted" });
  const find = make("button", {
    type: "button", className: "cwb-primary", text: "Find",
    onclick: () => able() && say("find", { limits: wished(), accuracy: accuracy.value() }),
  });
  const cancel = make("button", {
    type: "button", text: "Cancel", "aria-label": "Cancel the search", title: "The best so far is kept", onclick: () => say("cancel"),
  });
  const take = make("button", {
    type: "button", text: "Put the sliders there", title: "Every control where this recipe has it; Undo goes back", onclick: () => takes && say("take"),
  });
  const bar = make("progress", { max: 1, value: 0, "aria-label": "How much has been searched" });
  const status = make("p", { className: "cwb-muted" });
  const found = make("p", { className: "cwb-found" });
  const lines = make("ul", { className: "cwb-outcome-lines" });
  const spoken = make("div", { role: "status", "aria-live": "polite" }, found, lines);
  const error = make("p", { className: "cwb-error", hidden: true });
  const result = make("div", { className: "cwb-outcome-result", hidden: true }, bar, status, spoken, error, take);
  const help = "Every layer's rank, sparsity and bits are searched for on validation images.";
  const card = make(
    "details",
    {},
    make("summary", {}, make("h3", { text: "Outcome" }), brief),
    make("p", { className: "cwb-help", text: help }),
    size.root,
    accuracy.root,
    choice.root,
    other.root,
    make("div", { className: "cwb-outcome-actions" }, find, cancel),
    result,
  );

  function wished() {
    const wishes = [["size", size.value()], ...(more ? [[more, other.value()]] : [])];
    return Object.fromEntries(wishes.filter(([, value]) => value !== null));
  }

  function able() {
    const any = Object.keys(wished()).length || accuracy.value() !== null;
    return Boolean(!running && of === link.position.model && any);
  }

  function limit(metric) {
    const found = limits.find((one) => one.metric === metric);
    more = found ? metric : "";
    choice.select.value = more;
    setShown(other.root, Boolean(found));
    if (found) {
      other.call(found.label);
      other.fill(found.stops);
    }
    enable();
  }

  function fill(stops) {
    limits = stops.limits.filter(({ metric }) => metric !== "size");
    size.fill(stops.limits.find(({ metric }) => metric === "size").stops);
    accuracy.fill(stops.accuracy);
    choice.select.replaceChildren(
      make("option", { value: "", text: "nothing else" }),
      ...limits.map((one) => make("option", { value: one.metric, text: one.label.replace(/ at most$/, "") })),
    );
    limit(more);
  }

  function enable() {
    find.setAttribute("aria-disabled", String(!able()));
    take.setAttribute("aria-disabled", String(!takes));
    setShown(cancel, running);
  }

  function heard(message) {
    if (message.kind !== "outcome") return;
    if (message.stops) {
      of = message.model;
      device = message.device;
      fill(message.stops);
    } else if (message.model === link.position.model) {
      running = message.running;
      takes = message.takes && message.model === link.position.model;
      if (result.hidden) {
        setShown(result, true);
        result.scrollIntoView({ block: "nearest" });
      }
      setShown(bar, running);
      bar.value = message.progress ?? 0;
      setText(status, running ? (message.status ?? "Beginning…") : "");
      setShown(status, running);
      setText(found, message.found ?? "");
      setItems(lines, message.lines ?? []);
      setText(error, message.error);
      setShown(error, Boolean(message.error));
      setShown(take, message.takes);
      spoken.setAttribute("aria-live", running ? "off" : "polite");
      setText(brief, running ? "searching…" : "");
      result.dataset.met = String(!running && Boolean(message.met));
    }
    enable();
  }

  link.listen(({ state }) => {
    if (of !== null && state.position.model !== of && state.position.model === link.position.model) {
      of = null;
      takes = false;
      running = false; // a search of the network that was left is given up
      setShown(result, false);
      say("stops");
    } else if (of !== null && state.position.device !== device && state.position.device === link.position.device) {
      device = state.position.device; // on which a limit of energy means something else
      say("stops");
    }
    enable();
  });
  limit("");
  model.on("msg:custom", heard);
  signal.addEventListener("abort", () => model.off("msg:custom", heard));
  return make("section", { className: "cwb-outcome cwb-card", "aria-label": "Outcome" }, card);
}

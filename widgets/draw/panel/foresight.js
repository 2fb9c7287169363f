// The costs of positions where the controls may be put next, as the kernel has worked them out ahead. Each is kept under
// the whole position that it is of (network, device, sliders, methods, layers), so it can answer for no other.

import { placeKey } from "./places.js";

const MOST_FORESEEN = 2000;

// onchange is called whenever something was learnt or forgotten.
export function createForesight(model, signal, onchange) {
  const known = new Map();
  let forgotten = 0;

  async function heard(message, buffers) {
    if (message.kind === "forget") {
      known.clear();
      forgotten += 1;
      onchange();
    }
    if (message.kind !== "ahead") return;
    const before = forgotten;
    const lines = new Blob([buffers[0]]).stream().pipeThrough(new DecompressionStream("deflate"));
    const found = await new Response(lines).json();
    if (before !== forgotten || signal.aborted) return;
    for (const { position, ...costs } of found) {
      const key = placeKey(position);
      known.delete(key); // the latest ones last
      known.set(key, costs);
    }
    for (const key of known.keys()) {
      if (known.size <= MOST_FORESEEN) break;
      known.delete(key);
    }
    onchange();
  }

  model.on("msg:custom", heard);
  signal.addEventListener("abort", () => model.off("msg:custom", heard));
  return {
    at: (position) => known.get(placeKey(position)) ?? null,
    get size() {
      return known.size;
    },
  };
}

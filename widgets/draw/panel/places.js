// Where the controls came to rest: each place with the one that it was reached from, so that another move after an undo
// is a branch. A page of its own keeps them over a reload, and those with a name until they are deleted.

import { recall, remember } from "./keeping.js";
import { ofItsOwn } from "./watch.js";

const MOST_PLACES = 100;

// The same words for the same place: the kernel has an order of its own for the settings of methods and layers.
export function placeKey(position) {
  return JSON.stringify(position, (_, value) =>
    value && typeof value === "object" ? Object.fromEntries(Object.entries(value).sort()) : value,
  );
}

const isPlace = (one) =>
  typeof one?.id === "string" && typeof one.name === "string" && typeof one.note === "string" && typeof one.position === "object" && one.position !== null;

// Anything that was kept may be of another day, or damaged.
function read(storage, name) {
  try {
    const { places, ...rest } = JSON.parse(recall(storage, name) ?? "{}");
    return { places: Array.isArray(places) ? places.filter(isPlace) : [], ...rest };
  } catch {
    return { places: [] };
  }
}

export function createPlaces() {
  const session = `cwb-places ${location.pathname}`;
  const named = `cwb-named ${location.pathname}`;
  const listeners = [];
  const ours = new Set(); // the ids of those that were reached on this page
  const places = new Map(); // id -> {id, parent, position, name, note}
  let here = null; // the id of the one that was reached last
  let kept = {};

  function load() {
    kept = ofItsOwn() ? read("sessionStorage", session) : { places: [] };
    for (const place of [...read("localStorage", named).places, ...kept.places]) places.set(place.id, place);
    here = places.has(kept.here) ? kept.here : null;
  }

  function changed() {
    if (ofItsOwn()) remember("sessionStorage", session, JSON.stringify({ places: [...places.values()], here, past: kept.past, future: kept.future }));
    for (const listener of listeners) listener();
  }

  // Other pages at this address have named places, too: theirs stay.
  function store(place, stays) {
    const others = read("localStorage", named).places.filter((one) => one.id !== place.id);
    remember("localStorage", named, JSON.stringify({ places: stays ? [...others, place] : others }));
  }

  function drop(id) {
    const { parent } = places.get(id);
    places.delete(id);
    for (const place of places.values()) if (place.parent === id) place.parent = parent;
    if (here === id) here = parent ?? null;
  }

  load();
  return {
    // In the order in which they were first reached.
    get all() {
      return [...places.values()];
    },
    get here() {
      return here;
    },
    // Whether this page was there itself; else the kernel has to look at it first.
    isOurs: (id) => ours.has(id),
    at: (id) => places.get(id) ?? null,
    // The way that can be undone and redone, as it was kept: {past, future}, lists of ids.
    get way() {
      const known = (ids) => (Array.isArray(ids) ? ids.filter((id) => places.has(id)) : []);
      return { past: known(kept.past), future: known(kept.future) };
    },
    // The controls have come to rest; the id of the place. Where they have been before it is the same one.
    reach(position, way) {
      const key = placeKey(position);
      let place = [...places.values()].find((one) => placeKey(one.position) === key);
      if (!place) {
        place = { id: crypto.randomUUID?.() ?? `${Date.now()} ${Math.random()}`, parent: here, position: structuredClone(position), name: "", note: "" };
        places.set(place.id, place);
        ours.add(place.id);
        const oldest = places.size > MOST_PLACES && [...places.values()].find((one) => !one.name && one.id !== here && one !== place);
        if (oldest) drop(oldest.id);
      }
      here = place.id;
      Object.assign(kept, way());
      changed();
      return here;
    },
    go(id, way) {
      here = id;
      Object.assign(kept, way());
      changed();
    },
    label(id, name, note) {
      const place = places.get(id);
      Object.assign(place, { name, note });
      store(place, Boolean(name));
      changed();
    },
    remove(id) {
      store(places.get(id), false);
      drop(id);
      changed();
    },
    listen: (listener) => listeners.push(listener),
  };
}

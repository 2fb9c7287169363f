// The address says what is wished, so that a link opens the page there and a reload keeps it.

const PLACE = "#at=";
const WRITTEN = ["stops", "goals", "usage"];

export function wishesAddress(wishes) {
  const bytes = new TextEncoder().encode(JSON.stringify(WRITTEN.map((name) => wishes[name])));
  return PLACE + btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

// The wishes in a place, null where it is none. What they are is for the kernel to judge.
export function wishesOf(place) {
  if (!place.startsWith(PLACE)) return null;
  try {
    const plain = atob(place.slice(PLACE.length).replaceAll("-", "+").replaceAll("_", "/"));
    const text = new TextDecoder().decode(Uint8Array.from(plain, (one) => one.charCodeAt(0)));
    const values = JSON.parse(text);
    if (!Array.isArray(values) || values.length !== WRITTEN.length) return null;
    return Object.fromEntries(WRITTEN.map((name, at) => [name, values[at]]));
  } catch {
    return null;
  }
}

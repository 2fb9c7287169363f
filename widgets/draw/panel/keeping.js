// What the browser keeps for a page: text under a name. It may keep nothing, as in a private window; then nothing lasts.

export function recall(storage, name) {
  try {
    return window[storage].getItem(name);
  } catch {
    return null;
  }
}

// null lets go of it.
export function remember(storage, name, text) {
  try {
    if (text === null) window[storage].removeItem(name);
    else window[storage].setItem(name, text);
  } catch {} // full, or closed to this page
}

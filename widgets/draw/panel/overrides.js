// The values that layers have of their own, beside the sliders' for all.

export function ownStop(position, name, axis) {
  const own = Object.hasOwn(position.overrides, name) ? position.overrides[name] : {};
  return own[axis];
}

// Literals: assigning to a layer called __proto__ would change the object itself.
export function giveOwn(position, names, axis, stop) {
  const given = names.map((name) => [name, { ...position.overrides[name], [axis]: stop }]);
  position.overrides = { ...position.overrides, ...Object.fromEntries(given) };
}

// The layers follow the slider of that axis again.
export function takeOwn(position, names, axis) {
  for (const name of names) {
    const { [axis]: _, ...rest } = position.overrides[name] ?? {};
    delete position.overrides[name];
    if (Object.keys(rest).length) position.overrides = { ...position.overrides, [name]: rest };
  }
}

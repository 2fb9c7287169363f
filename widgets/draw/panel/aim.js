// Whether somebody may be aiming at something in a picture, which must not move away under the pointer then.

const AIMING = 1000; // milliseconds after the pointer's last move

// Returns {active, end()}.
export function createAim(picture, signal) {
  let moved = -Infinity; // when the pointer moved over the picture last
  let held = false; // whether a button is down on it
  const end = () => (moved = -Infinity);
  picture.addEventListener("pointermove", () => (moved = performance.now()));
  picture.addEventListener("pointerleave", end);
  picture.addEventListener("pointerdown", () => (held = true));
  for (const released of ["pointerup", "pointercancel"]) window.addEventListener(released, () => (held = false), { signal });
  return {
    get active() {
      return held || performance.now() < moved + AIMING;
    },
    // What was aimed at has been hit.
    end,
  };
}

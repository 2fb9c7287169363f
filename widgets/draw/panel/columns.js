// How high the view is that the panel scrolls in, and its parts: what is higher than the view is held by its lower end.
export function followHeight(root, signal) {
  let scroller = root.parentElement;
  while (scroller && !/auto|scroll/.test(getComputedStyle(scroller).overflowY)) scroller = scroller.parentElement;
  const view = scroller ?? document.documentElement;
  const tiles = root.querySelector(".cwb-tiles");
  const controls = root.querySelector(".cwb-controls");
  const update = () => {
    root.style.setProperty("--cwb-view", `${view.clientHeight}px`);
    if (controls) root.style.setProperty("--cwb-controls-height", `${controls.offsetHeight}px`);
    if (tiles) root.style.setProperty("--cwb-tiles-height", `${tiles.offsetHeight}px`);
  };
  const observer = new ResizeObserver(update);
  for (const watched of [tiles, controls, view]) watched && observer.observe(watched);
  addEventListener("resize", update, { signal });
  signal.addEventListener("abort", () => observer.disconnect());
}

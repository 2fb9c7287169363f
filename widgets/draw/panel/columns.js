// How high the view is that the panel scrolls in, and its parts. Controls that are higher than the view are held by their
// lower end; the stage is held below the tiles where both fit, and what a control far down does is seen in its picture.
export function followHeight(root, signal) {
  let scroller = root.parentElement;
  while (scroller && !/auto|scroll/.test(getComputedStyle(scroller).overflowY)) scroller = scroller.parentElement;
  const view = scroller ?? document.documentElement;
  const tiles = root.querySelector(".cwb-tiles");
  const controls = root.querySelector(".cwb-controls");
  const stage = root.querySelector(".cwb-stage");
  const update = () => {
    root.style.setProperty("--cwb-view", `${view.clientHeight}px`);
    if (controls) root.style.setProperty("--cwb-controls-height", `${controls.offsetHeight}px`);
    if (tiles) root.style.setProperty("--cwb-tiles-height", `${tiles.offsetHeight}px`);
    if (tiles && stage) stage.classList.toggle("cwb-held", tiles.offsetHeight + stage.offsetHeight + 16 <= view.clientHeight);
  };
  const observer = new ResizeObserver(update);
  for (const watched of [tiles, controls, stage, view]) watched && observer.observe(watched);
  addEventListener("resize", update, { signal });
  signal.addEventListener("abort", () => observer.disconnect());
}

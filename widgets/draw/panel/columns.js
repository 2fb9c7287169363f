// The lower one of two columns is held in view: by its upper end, or where it is taller than the view by its lower one.
export function followHeight(columns, signal) {
  let scroller = columns[0].parentElement;
  while (scroller && !/auto|scroll/.test(getComputedStyle(scroller).overflowY)) scroller = scroller.parentElement;
  const view = scroller ?? document.documentElement;
  const update = () => {
    for (const column of columns) {
      column.style.setProperty("--cwb-view", `${view.clientHeight}px`);
      column.style.setProperty("--cwb-height", `${column.offsetHeight}px`);
    }
  };
  const observer = new ResizeObserver(update);
  for (const watched of [...columns, view]) observer.observe(watched);
  addEventListener("resize", update, { signal });
  signal.addEventListener("abort", () => observer.disconnect());
}

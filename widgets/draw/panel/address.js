// The address of a page of its own says where everything stands, so that a link opens it again and a reload keeps it. In
// a notebook several panels share one address, which is left alone; recipes can be copied there as well.

import { placeKey } from "./places.js";
import { recall, remember } from "./keeping.js";
import { ofItsOwn } from "./watch.js";

const MARK = "#at=";
const LONGEST = 12000; // characters of a link that browsers and mail keep whole
const LARGEST = 200000; // of what it unfolds to
const SETTLED = 400; // milliseconds without a move before the address follows
const LEFT = "cwb-reloaded"; // where a page that is left holds what it would find again, were it loaded anew
const FOREIGN = "This link does not say where the controls stand, so the page opens as usual.";

// What is kept beside the position: name -> {read, write}. `read` gives plain JSON, undefined for nothing to keep.
export function createAddress({ link, signal }) {
  const kept = new Map();
  const owner = ofItsOwn() && !document.documentElement.dataset.cwbAddress;
  let written = location.hash;
  let timer = null;
  let opened = false;
  let ready = !owner;

  function content() {
    const beside = [...kept].map(([name, { read }]) => [name, read()]).filter(([, value]) => value !== undefined);
    return JSON.stringify({ position: link.position, ...Object.fromEntries(beside) });
  }

  const text = async () => MARK + (await packed(content()));

  async function write() {
    if (!opened) return;
    const hash = await text();
    if (hash === location.hash || hash.length > LONGEST || signal.aborted) return;
    written = hash;
    history.replaceState(history.state, "", hash);
  }

  function follow() {
    if (!owner) return;
    clearTimeout(timer);
    timer = setTimeout(write, SETTLED);
  }

  function put(found) {
    const { position, ...beside } = JSON.parse(found);
    if (position === undefined) throw new Error("no position");
    for (const [name, { write: show }] of kept) if (name in beside) show(beside[name]);
    if (placeKey(position) !== placeKey(link.position)) link.propose(position);
  }

  async function open() {
    const { hash } = location;
    if (!hash) return "";
    try {
      put(await unpacked(hash));
      return "";
    } catch {
      return FOREIGN;
    }
  }

  // The address follows a moment later, and not through a move that is not answered yet; so a reload has more to go by.
  function reopen() {
    const left = recall("sessionStorage", LEFT);
    remember("sessionStorage", LEFT, null);
    if (!left || performance.getEntriesByType("navigation")[0]?.type !== "reload") return false;
    put(left);
    return true;
  }

  if (owner) {
    document.documentElement.dataset.cwbAddress = "true";
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      delete document.documentElement.dataset.cwbAddress;
    });
    let known = "";
    link.listen(({ state, position, current }) => {
      ready ||= opened && link.heard;
      const settled = current && !state.foreign && (state.stage === "exact" || state.stage === "cancelled");
      const key = placeKey(position);
      if (!settled || key === known) return;
      known = key;
      follow();
    });
    window.addEventListener("pagehide", () => remember("sessionStorage", LEFT, content()), { signal });
    window.addEventListener("hashchange", () => location.hash !== written && open().then(link.remark), { signal });
  }

  return {
    // Whether the controls stand where a link or a reload has put them.
    get ready() {
      return ready;
    },
    // A part of the page that is to be found again: the open tab, goals.
    keep: (name, read, write) => kept.set(name, { read, write }),
    // Something that is kept has changed.
    follow,
    // Once all parts are there. Follows a link, if the page was opened by one.
    async start() {
      if (!owner) return;
      const remark = reopen() ? "" : await open();
      opened = true;
      link.remark(remark);
    },
    // The whole link.
    link: async () => new URL(await text(), location.href).href,
  };
}

async function packed(text) {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

// Throws at anything else than `packed` has made, and at what is too large.
async function unpacked(hash) {
  if (!hash.startsWith(MARK) || hash.length > LONGEST) throw new Error("no link of this page");
  const plain = atob(hash.slice(MARK.length).replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(plain, (one) => one.charCodeAt(0));
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text;
    text += decoder.decode(value, { stream: true });
    if (text.length > LARGEST) throw new Error("too large");
  }
}

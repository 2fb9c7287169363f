// Whether the kernel is still there. The page asks the server whenever it may not be: the connection was lost, the machine
// slept, the page comes back into view, a move is not heard. It says so at once, and goes on by itself where it can.

import { make, setShown } from "./elements.js";
import { recall, remember } from "./keeping.js";

const ENDED = new Set(["dead", "restarting", "autorestarting", "terminating"]);
const UNHEARD = 2000; // milliseconds after which a move should have been heard
const LONG = 10000; // and after which it is said that it was not
const TICK = 1000;
const SLEPT = 5 * TICK; // no timer of an open page is as late as that
const AGAIN = 60000; // in which a page begins anew by itself only once
const BEGAN = "cwb-began-anew";

const SENTENCES = {
  ended: "The kernel of this page has ended, so nothing here is live any more; a new one takes up where you are.",
  cell: "The kernel has ended or was restarted, so this page is not live any more: run its cell again.",
  away: "The server does not answer. The page goes on by itself as soon as it does.",
  busy: "The kernel has not answered for ten seconds. It is busy with something else, and answers when that is done.",
};

// A page of its own has the address and the kernel to itself; in a notebook both belong to the user.
export const ofItsOwn = () => document.body.dataset.voila === "voila";

// Loads the page again, which has a kernel of its own then, and is put where the address says.
function beginAnew() {
  remember("sessionStorage", BEGAN, String(Date.now()));
  location.reload();
}

const beganAnew = () => Date.now() - Number(recall("sessionStorage", BEGAN) ?? 0) < AGAIN;

export function createWatch({ model, link, root, signal }) {
  const kernel = model.widget_manager?.kernel ?? null;
  const way = make("button", { type: "button", text: "Start anew", hidden: true, onclick: beginAnew });
  let ended = false;
  let asking = false;
  let unheard = null; // when the newest move began to wait
  let late = false; // it has waited long
  let ticked = Date.now();
  root.dataset.kernel = "here";

  function say(standing) {
    if (standing === root.dataset.kernel && standing !== "busy") return; // which a further move has taken away
    const before = root.dataset.kernel;
    root.dataset.kernel = standing;
    setShown(way, standing === "ended" && ofItsOwn());
    link.lose({ ended: ofItsOwn() ? SENTENCES.ended : SENTENCES.cell, away: SENTENCES.away }[standing] ?? "");
    if (standing === "busy") link.remark(SENTENCES.busy); // what is known ahead still holds
    else if (before === "busy") link.remark("");
  }

  // absent: whether nobody has seen the page since, so that it may begin anew without asking.
  function end(absent) {
    if (ended) return;
    ended = true;
    say("ended");
    if (document.hidden) document.addEventListener("visibilitychange", resume, { once: true, signal });
    else if (absent) resume();
  }

  const resume = () => ofItsOwn() && !beganAnew() && beginAnew();

  async function ask(absent = false) {
    if (asking || ended || !kernel || kernel.isDisposed || signal.aborted) return;
    asking = true;
    const standing = await look(kernel);
    asking = false;
    if (ended || kernel.isDisposed || signal.aborted) return; // the page is being left
    if (standing === "ended") return end(absent);
    if (standing === "away") {
      say("away");
      setTimeout(() => ask(absent), TICK);
      return;
    }
    const interrupted = kernel.connectionStatus !== "connected" || standing === "unconnected";
    if (interrupted) {
      try {
        await kernel.reconnect();
        model.send({ kind: "hello" }); // what was said meanwhile is lost
      } catch {
        return; // it is tried again when the connection changes
      }
    }
    say(late ? "busy" : "here");
  }

  const watched = () => (ENDED.has(kernel.status) ? end(false) : null);
  const connected = () => kernel.connectionStatus !== "connected" && ask();
  if (kernel) {
    kernel.statusChanged.connect(watched);
    kernel.connectionStatusChanged.connect(connected);
    signal.addEventListener("abort", () => {
      kernel.statusChanged.disconnect(watched);
      kernel.connectionStatusChanged.disconnect(connected);
    });
  }
  document.addEventListener("visibilitychange", () => document.hidden || ask(true), { signal });
  for (const back of ["online", "pageshow"]) window.addEventListener(back, () => ask(true), { signal });

  const timer = setInterval(() => {
    const now = Date.now();
    if (now - ticked > SLEPT) ask(true);
    ticked = now;
    if (unheard === null) return;
    late = now - unheard > LONG;
    if (now - unheard > UNHEARD) ask();
  }, TICK);
  signal.addEventListener("abort", () => clearInterval(timer));

  link.listen(() => {
    if (!link.heard) unheard ??= Date.now();
    else if (unheard !== null) {
      unheard = null;
      late = false;
      if (!ended && root.dataset.kernel === "busy") say("here");
    }
  });
  return { way };
}

// What the server says of a kernel: "here", "unconnected" where it knows of no page that hears it, "ended", "away".
async function look(kernel) {
  const { baseUrl, token } = kernel.serverSettings;
  try {
    const headers = token ? { Authorization: `token ${token}` } : {};
    const answer = await fetch(`${baseUrl}api/kernels/${encodeURIComponent(kernel.id)}`, {
      cache: "no-store", headers, signal: AbortSignal.timeout(4000),
    });
    if (answer.status === 404) return "ended";
    if (answer.status >= 500) return "away";
    if (!answer.ok) return "here"; // which is not for this page to say
    return (await answer.json()).connections ? "here" : "unconnected";
  } catch {
    return "away";
  }
}

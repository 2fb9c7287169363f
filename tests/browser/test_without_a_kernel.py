"""What a page does while its kernel is slow to answer: its modules alone, and a kernel that answers when told to."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

import widgets.draw
from widgets.draw.modules import script

pytestmark = pytest.mark.browser

PANEL = Path(widgets.draw.__file__).parent / "panel" / "panel.js"
NAMES = ("createLink", "createHistory", "createStrip")
KERNEL = """
function createKernel(state) {
    const heard = {};
    const said = [];
    return {
        said,
        get: (name) => ({ state, move: {} })[name],
        set: (name, value) => name === "move" && said.push(value),
        save_changes: () => {},
        send: (message) => said.push(message),
        on: (event, listener) => (heard[event] ??= []).push(listener),
        off: () => {},
        // The figures are those of no move: what the controls are at is all that these tests look at.
        answer(changes) {
            state = { ...state, ...changes };
            for (const listener of heard["change:state"] ?? []) listener();
        },
    };
}
const place = (bits) => ({ model: "net", stops: { bits } });
const start = (position) => ({
    seq: 0, position, network: position.model, stage: "exact", fresh: true,
    tiles: [], layers: [], refusals: {}, whole: "",
});
"""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    page.route("**/*", lambda route: route.fulfill(body="<body></body>", content_type="text/html"))
    page.goto("http://127.0.0.1/")  # a page without an address may keep nothing
    exposed = "\n".join(f"window.{name} = {name};" for name in NAMES)
    page.add_script_tag(content=script(PANEL).replace("export default", "const panel =") + exposed + KERNEL)
    yield page
    page.close()


def test_undo_to_a_place_of_another_day_is_one_step_however_slow_the_answer_is(page: Page) -> None:
    found = page.evaluate(
        """async () => {
            const known = (position, at) => ({ id: `${at}`, parent: null, position, name: "", note: "" });
            const places = [place(32), place(8), place(4)].map(known);
            const kept = `cwb-places ${location.pathname}`;
            document.body.dataset.voila = "voila";
            sessionStorage.setItem(kept, JSON.stringify({ places, here: "2", past: ["0", "1"], future: [] }));
            const { signal } = new AbortController();
            const kernel = createKernel(start(place(4)));
            const link = createLink(kernel, signal);
            const history = createHistory({ link, address: { ready: true }, root: document.body, signal });
            link.start();
            history.buttons[0].click(); // to 8 bits, of which this page knows nothing but the words
            await new Promise((resolve) => setTimeout(resolve, 1500));
            const asked = kernel.said.at(-1).position.stops.bits;
            kernel.answer({ seq: kernel.said.at(-1).seq, position: place(8) });
            await new Promise((resolve) => setTimeout(resolve, 1500));
            const { past, future } = JSON.parse(sessionStorage.getItem(kept));
            return { asked, past, future, at: link.position.stops.bits };
        }"""
    )
    assert found == {"asked": 8, "past": ["0"], "future": ["2"], "at": 8}


def test_what_is_asked_for_meanwhile_keeps_the_way_back(page: Page) -> None:
    asked = page.evaluate(
        """() => {
            const kernel = createKernel(start(place(4)));
            const link = createLink(kernel, new AbortController().signal);
            link.propose(place(8));
            link.ask("export");
            return kernel.said.at(-1).position.stops.bits;
        }"""
    )
    assert asked == 8


def test_sensitivity_is_asked_for_once_the_kernel_is_at_the_network(page: Page) -> None:
    said = page.evaluate(
        """() => {
            const { signal } = new AbortController();
            const kernel = createKernel(start({ ...place(4), model: "first" }));
            const link = createLink(kernel, signal);
            const texts = Array.from({ length: 32 }, (_, at) => `${at + 1} bits`);
            const slider = { axis: "bits", label: "Bits", low: 1, high: 32, off: 32, direction: -1, texts };
            const catalogue = { sliders: [slider], glances: [["bytes", "Bytes"]] };
            const strip = createStrip({ model: kernel, link, signal, catalogue });
            link.start();
            [...strip.querySelectorAll("button")].find((one) => one.textContent.startsWith("Measure")).click();
            const asked = () => kernel.said.filter((one) => one.kind === "sensitivity").length;
            const counts = [asked()];
            for (const name of ["second", "third"]) link.change((position) => (position.model = name));
            counts.push(asked());
            kernel.answer({ seq: 1, position: { ...place(4), model: "second" } }); // of the move before
            counts.push(asked());
            kernel.answer({ seq: 2, position: { ...place(4), model: "third" }, network: "third" });
            counts.push(asked());
            return counts;
        }"""
    )
    assert said == [1, 1, 1, 2]

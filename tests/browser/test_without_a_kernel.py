"""What a page does while its kernel is slow to answer: its modules alone, and a kernel that answers when told to."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

import widgets.draw
from widgets.draw.modules import script

pytestmark = pytest.mark.browser

FOLDER = Path(widgets.draw.__file__).parent
PANEL, STAKEHOLDERS = (FOLDER / name / f"{name}.js" for name in ("panel", "stakeholders"))
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
        tell(message) {
            for (const listener of heard["msg:custom"] ?? []) listener(message);
        },
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


def begin(page: Page, entry: Path, *names: str, address: str = "http://127.0.0.1/") -> None:
    """Load a page of its own that has these functions."""
    page.goto("about:blank")
    page.goto(address)  # a page without an address may keep nothing
    page.evaluate("() => (document.body.dataset.voila = 'voila')")
    exposed = "\n".join(f"window.{name} = {name};" for name in names)
    page.add_script_tag(content=script(entry).replace("export default", "const entry =") + exposed + KERNEL)


@pytest.fixture
def empty(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    page.route("**/*", lambda route: route.fulfill(body="<body></body>", content_type="text/html"))
    yield page
    page.close()


@pytest.fixture
def page(empty: Page) -> Page:
    begin(empty, PANEL, "createLink", "createHistory", "createStrip", "createOutcome")
    return empty


def test_undo_to_a_place_of_another_day_is_one_step_however_slow_the_answer_is(page: Page) -> None:
    found = page.evaluate(
        """async () => {
            const known = (position, at) => ({ id: `${at}`, parent: null, position, name: "", note: "" });
            const places = [place(32), place(8), place(4)].map(known);
            const kept = `cwb-places ${location.pathname}`;
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


def test_any_cost_that_the_kernel_names_can_be_limited_beside_size(page: Page) -> None:
    said = page.evaluate(
        """() => {
            const { signal } = new AbortController();
            const kernel = createKernel(start({ ...place(4), device: "here" }));
            const link = createLink(kernel, signal);
            const root = createOutcome({ model: kernel, link, signal });
            document.body.append(root);
            link.start();
            const stops = (...values) => [null, ...values].map((value) => ({ value, text: String(value) }));
            const limits = [
                { metric: "size", label: "Size at most", stops: stops(20, 10) },
                { metric: "energy", label: "Energy at most", stops: stops(0.5, 0.25) },
            ];
            const known = { limits, accuracy: stops(0.5, 0.9) };
            kernel.tell({ kind: "outcome", model: "net", device: "here", stops: known });
            const [size, accuracy, energy] = root.querySelectorAll("input[type=range]");
            const find = [...root.querySelectorAll("button")].find((one) => one.textContent === "Find");
            const move = (input, to) => { input.value = to; input.dispatchEvent(new Event("input")); };
            const choose = (metric) => {
                const select = root.querySelector("select");
                select.value = metric;
                select.dispatchEvent(new Event("change"));
            };
            const asked = () => { find.click(); return kernel.said.filter(({ ask }) => ask === "find").at(-1); };
            const nothing = asked();
            const hidden = energy.closest(".cwb-wish").hidden;
            choose("energy");
            move(energy, 2);
            const alone = asked();
            move(size, 1);
            move(accuracy, 2);
            const all = asked();
            choose("");
            return [nothing ?? null, hidden, energy.labels[0].textContent, alone, all, asked()];
        }"""
    )
    find = {"kind": "outcome", "ask": "find"}
    assert said[:3] == [None, True, "Energy at most"]
    assert said[3:] == [
        {**find, "limits": {"energy": 0.25}, "accuracy": None},
        {**find, "limits": {"size": 20, "energy": 0.25}, "accuracy": 0.9},
        {**find, "limits": {"size": 20}, "accuracy": 0.9},
    ]


TALK = """(bits) => {
    const state = { seq: 0, stops: { bits: 32 }, goals: { size: null }, usage: { price: 0.3 } };
    const kernel = createKernel(state);
    const talk = createTalk(kernel, new AbortController().signal);
    let lost = null;
    talk.listen((now) => (lost = now.lost));
    talk.start();
    if (bits) talk.change((wishes) => (wishes.stops.bits = bits));
    return { address: location.href, said: kernel.said, lost };
}"""


def test_the_address_of_the_page_for_people_who_decide_opens_it_where_it_was_left(empty: Page) -> None:
    begin(empty, STAKEHOLDERS, "createTalk")
    left = empty.evaluate(TALK, 4)
    begin(empty, STAKEHOLDERS, "createTalk", address=left["address"])
    opened = empty.evaluate(TALK)
    assert opened["said"] == left["said"] and opened["said"][0]["stops"] == {"bits": 4}
    assert (opened["lost"], opened["address"]) == ("", left["address"])
    for strange in ("#at=AAAA", "#somewhere"):
        begin(empty, STAKEHOLDERS, "createTalk", address=f"http://127.0.0.1/{strange}")
        found = empty.evaluate(TALK)
        assert found["said"] == [] and found["lost"].startswith("This link does not say where the controls stand")

"""What lasts: links, reloads, names, the history; and what a page does when its kernel dies."""

import base64
import re
import time
import zlib
from collections.abc import Iterator

import psutil
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from benchmarks.startup import kernel, kernels
from tests.browser.conftest import Traffic, picture
from tests.browser.front_ends import PATIENCE, FrontEnd, serve
from tests.browser.panel_page import PanelPage, plain
from workbench.recipe import Recipe

pytestmark = pytest.mark.browser
LENET = "lenet-300-100/mnist"


@pytest.fixture(scope="module")
def voila(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontEnd]:
    with serve("voila", tmp_path_factory.mktemp("voila")) as running:
        yield running


@pytest.fixture(scope="module")
def page(voila: FrontEnd, browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    voila.open(page)
    yield page
    page.close(run_before_unload=True)


@pytest.fixture
def panel(page: Page, request: pytest.FixtureRequest) -> Iterator[PanelPage]:
    traffic = Traffic(page)
    panel = PanelPage(page)
    panel.reset()
    yield panel
    picture(page, f"lasting-{re.sub(r'[^a-z0-9]+', '-', request.node.name)}")
    assert traffic.left_the_machine() == []
    assert traffic.errors == []


def heading(page: Page, words: str) -> None:
    """Until the figures are those of a recipe with that name."""
    expect(page.locator(".cwb-recipe")).to_have_text(
        re.compile(words.replace(" ", r"\s"), re.IGNORECASE), timeout=PATIENCE
    )
    PanelPage(page).settle()


def address(page: Page, *parts: str) -> str:
    """The page's, once what it holds has all those parts: it follows the controls a moment later."""
    deadline = time.monotonic() + PATIENCE / 1000
    while not all(part in held(page.url) for part in parts):
        assert time.monotonic() < deadline, (parts, held(page.url))
        page.wait_for_timeout(100)
    return page.url


def held(link: str) -> str:
    """The JSON that a link holds: base64 of raw deflate."""
    _, _, packed = link.partition("#at=")
    return zlib.decompress(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)), -15).decode() if packed else ""


def drawn(page: Page) -> None:
    page.locator(".cwb").first.wait_for(timeout=PATIENCE)


def process(server: FrontEnd, page: Page) -> psutil.Process:
    """The kernel of that page."""
    name = page.evaluate("() => JSON.parse(document.getElementById('jupyter-config-data').textContent).kernelId")
    return psutil.Process(kernel(server.server, name))


def test_a_link_opens_the_page_where_it_was_left(panel: PanelPage, page: Page, browser: Browser) -> None:
    panel.type_into_slider("Sparsity", *["PageUp"] * 5)
    panel.root.get_by_label("Bits method").select_option("quantize.kmeans")
    panel.type_into_slider("Bits", *["ArrowRight"] * 5)
    goal = panel.root.get_by_label("Goal: at most, size")
    goal.fill("150 kB")
    goal.press("Enter")
    panel.show("Layers")
    panel.settle()
    link = address(page, '"sparsity":50', '"bits":4', "quantize.kmeans", "150000", "layers")
    size = panel.details("Size")
    other = browser.new_page()
    other.goto(link)
    drawn(other)
    heading(other, r"^sparsity 50 %, 4 bits \(K-means weight sharing\)$")
    assert PanelPage(other).details("Size") == size
    expect(other.get_by_role("tab", selected=True)).to_have_text("Layers")
    PanelPage(other).show("Trade-off")
    expect(other.get_by_label("Goal: at most, size")).to_have_value(re.compile(r"150\skB"))
    other.close(run_before_unload=True)
    panel.root.get_by_label("Bits method").select_option("quantize.uniform")
    heading(page, "^sparsity 50 %, 4 bits$")  # another recipe, another name


def test_a_link_that_says_nothing_is_one_sentence(panel: PanelPage, page: Page) -> None:
    panel.type_into_slider("Bits", *["ArrowRight"] * 5)
    panel.settle()
    for wrong in ("#at=AAAA", "#somewhere"):
        page.evaluate("(wrong) => (location.hash = wrong)", wrong)
        expect(panel.root.get_by_role("alert").first).to_contain_text("This link does not say where the controls stand")
        heading(page, "^4 bits$")
    packed = """async (position) => {
        const text = new Blob([JSON.stringify({position})]);
        const stream = text.stream().pipeThrough(new CompressionStream("deflate-raw"));
        const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
        location.hash = "#at=" + btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
    }"""
    for wrong in (None, {"model": 3}, [1], "x"):
        page.evaluate(packed, wrong)
        expect(panel.root.get_by_role("alert").first).to_contain_text("A move must hold exactly")
        heading(page, "^4 bits$")
    panel.type_into_slider("Bits", "ArrowRight")
    expect(panel.root.get_by_role("alert").first).to_be_hidden()


def test_a_recipe_goes_out_and_comes_in_as_text(panel: PanelPage, page: Page) -> None:
    panel.type_into_slider("Sparsity", *["PageUp"] * 3)
    panel.settle()
    panel.root.get_by_role("button", name="Recipe", exact=True).click()
    menu = panel.root.get_by_role("dialog", name="Recipe")
    expect(menu.locator("pre").first).to_contain_text("sparsity=0.3")
    made: dict = {}
    exec(menu.locator("pre").first.text_content(), made)
    assert made["recipe"] == Recipe.sliders(sparsity=0.3)
    assert Recipe.from_json(menu.locator("pre").last.text_content()) == Recipe.sliders(sparsity=0.3)
    field, use = menu.get_by_label("Take over a recipe (JSON)"), menu.get_by_role("button", name="Use this recipe")
    for text, sentence in (("{", "not valid JSON"), ('{"version": 1}', "lacks the field"), ("", "no recipe yet")):
        field.fill(text)
        use.click()
        expect(menu.get_by_role("alert")).to_contain_text(sentence)
    wanted = Recipe.sliders(bits=3, methods={"bits": "quantize.kmeans"}, overrides={"fc1": {"bits": 4}})
    field.fill(wanted.to_json())
    use.click()
    heading(page, r"^3 bits \(K-means weight sharing\), fc1 4 bits$")
    assert panel.slider("Bits").get_attribute("aria-valuetext") == "3 bits"
    expect(menu.locator("pre").first).to_contain_text("quantize.kmeans")
    page.keyboard.press("Escape")
    panel.root.get_by_label("Bits method").select_option("quantize.uniform")


def test_another_move_after_an_undo_is_a_branch_and_any_two_places_are_seen_side_by_side(
    panel: PanelPage, page: Page
) -> None:
    for keys in (["PageUp"] * 6, ["PageUp"] * 2):
        panel.type_into_slider("Sparsity", *keys)
        panel.settle()
        page.locator(".cwb-tiles").click()  # another control, another gesture
    panel.root.get_by_role("button", name="Undo").click()
    panel.type_into_slider("Bits", *["ArrowRight"] * 5)
    panel.settle()
    panel.show("History")
    panel.root.get_by_role("button", name="Name this place").click()
    panel.root.get_by_label("Name", exact=True).fill("For the boss")
    panel.root.get_by_label("Note", exact=True).fill("small, and still good")
    panel.root.get_by_role("button", name="Save").click()
    named = panel.root.locator(".cwb-place", has_text="For the boss")
    expect(named).to_have_attribute("aria-current", "true")
    expect(named).to_contain_text("4 bits added.")
    expect(named).to_contain_text("small, and still good")
    branch = "(row) => Number(row.style.getPropertyValue('--cwb-branch'))"
    further = panel.root.locator(".cwb-place", has_text="Sparsity: 80")
    assert named.evaluate(branch) == further.evaluate(branch) + 1
    for row in (further, named):
        row.get_by_role("checkbox").check()
    pair = panel.root.get_by_role("region", name="Two places side by side")
    expect(pair).to_contain_text("4 bits added.")
    heads = [plain(one) for one in pair.locator("thead th").all_inner_texts()]
    assert heads == ["sparsity 80 %", "sparsity 60 %, 4 bits", "Change"]
    size = panel.value("Size")
    expect(pair.locator("tr", has_text="Size")).to_contain_text(size.replace(" ", "\u00a0"))
    further.locator(".cwb-place-name").click()
    heading(page, "^sparsity 80 %$")
    panel.root.get_by_role("button", name="Undo").click()
    heading(page, "^sparsity 60 %, 4 bits$")
    for row in (further, named):
        row.get_by_role("checkbox").uncheck()


def test_a_reload_keeps_everything_and_leaves_no_kernel_behind(panel: PanelPage, page: Page, voila: FrontEnd) -> None:
    panel.root.get_by_label("Device for energy").select_option("cortex-m4-l4r5")
    panel.type_into_slider("Bits", *["ArrowRight"] * 6)
    panel.settle()
    panel.show("History")
    panel.root.get_by_role("button", name="Name this place").click()
    panel.root.get_by_label("Name", exact=True).fill("Kept")
    panel.root.get_by_role("button", name="Save").click()
    former = process(voila, page)
    panel.type_into_slider("Rank", "PageDown")  # reloaded before it is answered
    page.reload()
    drawn(page)
    heading(page, "^rank 90 %, 3 bits$")
    expect(panel.root.get_by_label("Device for energy")).to_have_value("cortex-m4-l4r5")
    expect(panel.root.get_by_role("tab", selected=True)).to_have_text("History")
    expect(panel.root.locator(".cwb-place", has_text="Kept")).to_be_visible()
    former.wait(10)
    assert former.pid not in kernels(voila.server)
    undo = panel.root.get_by_role("button", name="Undo")
    expect(undo).to_have_attribute("aria-disabled", "false")
    undo.click()
    heading(page, "^3 bits$")


# Every value that a tile has shown while the controls were at another network than the one it is of.
FORMER = """(former) => {
    const root = document.querySelector(".cwb");
    window.former = [];
    window.watcher = new MutationObserver(() => {
        if (root.querySelector("header select").value !== "lenet-5/mnist") return;
        const shown = root.querySelector(".cwb-tile[data-key=size] .cwb-value").textContent;
        if (shown === former) window.former.push(shown);
    });
    window.watcher.observe(root, {subtree: true, childList: true, attributes: true, characterData: true});
}"""


def test_no_figure_of_the_network_before_is_shown_under_the_new_name(panel: PanelPage, page: Page) -> None:
    page.evaluate(FORMER, panel.tile("Size").locator(".cwb-value").text_content())
    panel.root.get_by_label("Network").select_option("lenet-5/mnist")
    expect(panel.tile("Size")).to_have_attribute("data-current", "true", timeout=PATIENCE)
    page.evaluate("() => window.watcher.disconnect()")
    assert page.evaluate("() => window.former") == []


def test_a_page_says_within_three_seconds_that_its_kernel_has_died_and_takes_up_where_it_was(
    panel: PanelPage, page: Page, voila: FrontEnd
) -> None:
    panel.type_into_slider("Bits", *["ArrowRight"] * 5)
    panel.settle()
    process(voila, page).kill()
    killed = time.monotonic()
    sentence = panel.root.get_by_role("alert").first
    expect(sentence).to_contain_text("The kernel of this page has ended", timeout=PATIENCE)
    assert time.monotonic() - killed < 3
    picture(page, "lasting-ended")
    panel.slider("Bits").press("ArrowRight")  # nobody waits for an answer to this
    expect(panel.root.locator(".cwb-progress button")).to_have_attribute("aria-disabled", "true")
    panel.root.get_by_role("button", name="Start anew").click()
    drawn(page)
    heading(page, "^3 bits$")
    expect(panel.root.get_by_role("alert").first).to_be_hidden()


def test_a_page_whose_kernel_died_before_it_was_drawn_is_loaded_once_more(browser: Browser, voila: FrontEnd) -> None:
    page = browser.new_page()
    ended: list[str] = []

    def end(route: Route) -> None:
        if not ended:
            ended.append(route.request.url)
            process(voila, page).kill()
            time.sleep(1.5)  # the server looks twice a second
        route.continue_()

    page.route("**/api/kernels/*", end)
    page.goto(voila.address)
    drawn(page)
    PanelPage(page).settle()
    assert ended
    page.close(run_before_unload=True)


HIDDEN = """(hidden) => {
    Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_a_page_that_is_looked_at_again_begins_anew_by_itself_where_its_kernel_has_gone(
    panel: PanelPage, page: Page, voila: FrontEnd
) -> None:
    panel.type_into_slider("Sparsity", *["PageUp"] * 4)
    panel.settle()
    page.evaluate("() => { window.former = true; sessionStorage.removeItem('cwb-began-anew'); }")
    page.evaluate(HIDDEN, True)
    process(voila, page).kill()
    expect(panel.root).to_have_attribute("data-kernel", "ended", timeout=PATIENCE)
    page.evaluate(HIDDEN, False)
    page.wait_for_function("() => !window.former", timeout=PATIENCE)
    drawn(page)
    heading(page, "^sparsity 40 %$")

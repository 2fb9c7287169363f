"""Weights, answers and trials: each is opened, one of its controls moved, and what is drawn is another thing."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Traffic, picture
from tests.browser.front_ends import PATIENCE, FrontEnd, serve
from tests.browser.panel_page import PanelPage

pytestmark = pytest.mark.browser

_DRAWN = """(canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let sum = 0;
    for (let at = 0; at < data.length; at += 1) sum = (sum * 31 + data[at]) % 1000000007;
    return sum;
}"""


@pytest.fixture(scope="module")
def front_end(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontEnd]:
    with serve("voila", tmp_path_factory.mktemp("voila")) as running:
        yield running


@pytest.fixture(scope="module")
def page(front_end: FrontEnd, browser: Browser) -> Iterator[Page]:
    """LeNet-300-100 with 90 % zeros, at the size of a small laptop."""
    page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light")
    traffic = Traffic(page)
    front_end.open(page)
    panel = PanelPage(page)
    panel.settle()
    panel.type_into_slider("Sparsity", "End", *["ArrowLeft"] * 7)
    panel.settle()
    yield page
    assert traffic.left_the_machine() == [] and traffic.errors == []
    page.close()


def settled(page: Page) -> None:
    """Until what is asked for has been drawn."""
    busy = ".cwb-tabpanel:not([hidden]) .cwb-picture[aria-busy=true]"
    page.wait_for_function(f"!document.querySelector('{busy}')", timeout=PATIENCE)


def opened(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()
    page.locator(".cwb-tabpanel:visible .cwb-choice, .cwb-tabpanel:visible .cwb-saids").first.wait_for()
    settled(page)


def choose(page: Page, name: str) -> None:
    page.locator(".cwb-tabpanel:visible").get_by_role("radio", name=re.compile(f"^{name}")).check(force=True)
    settled(page)


def test_each_picture_of_the_weights_is_another_one_and_fits_the_view(page: Page):
    opened(page, "Weights")
    figure = page.locator(".cwb-weights canvas")
    expect(figure).to_have_attribute("aria-label", re.compile("are zero"), timeout=PATIENCE)
    seen = {figure.evaluate(_DRAWN)}
    picture(page, "weights-histogram")
    for view in ("Zeros", "Spectrum"):
        choose(page, view)
        seen.add(figure.evaluate(_DRAWN))
        picture(page, f"weights-{view.lower()}")
    assert len(seen) == 3
    box = figure.bounding_box()
    assert box["y"] + box["height"] <= 800
    choose(page, "Bits")
    expect(page.get_by_role("table", name=re.compile("as they lie in the file")).get_by_role("row")).to_have_count(7)
    picture(page, "weights-bits")
    page.get_by_label("Layer", exact=True).select_option("fc3")
    expect(page.locator(".cwb-weights")).to_have_attribute("data-layer", "fc3", timeout=PATIENCE)


def test_a_move_of_the_slider_changes_what_is_seen_of_the_weights(page: Page):
    opened(page, "Weights")
    choose(page, "Histogram")
    figure = page.locator(".cwb-weights canvas")
    before = figure.evaluate(_DRAWN), figure.get_attribute("aria-label")
    PanelPage(page).type_into_slider("Sparsity", "ArrowLeft")
    PanelPage(page).settle()
    page.wait_for_function("(was) => document.querySelector('.cwb-weights canvas').ariaLabel !== was", arg=before[1])
    settled(page)
    assert figure.evaluate(_DRAWN) != before[0]
    PanelPage(page).type_into_slider("Sparsity", "ArrowRight")
    PanelPage(page).settle()


def test_a_newcomer_finds_what_flipped_in_one_click(page: Page):
    """A click on the tab: the images that were right and are wrong now, with both answers; the next shows one large."""
    page.get_by_role("tab", name="Answers", exact=True).click()
    flipped = page.locator(".cwb-flips").get_by_role("button")
    expect(flipped).to_have_count(24, timeout=PATIENCE)
    expect(page.locator(".cwb-answers-verdict")).to_contain_text("more than chance")
    for text in flipped.all_inner_texts():
        before, after, truth = re.fullmatch(r"(\d) → (\d)\s+true (\d)", text).groups()
        assert before == truth != after
    assert flipped.last.bounding_box()["y"] < 800
    picture(page, "answers-flips")
    first = flipped.first.inner_text()
    flipped.first.click()
    large = page.get_by_role("dialog", name="One image")
    expect(large.get_by_role("listitem")).to_have_count(3)
    picture(page, "answers-large")
    page.keyboard.press("Escape")
    expect(large).to_be_hidden()
    page.get_by_role("button", name="More", exact=True).click()
    expect(page.locator(".cwb-flips")).to_have_attribute("data-first", "24", timeout=PATIENCE)
    assert flipped.first.inner_text() != first


def test_groups_classes_confusion_and_confidence(page: Page):
    opened(page, "Answers")
    choose(page, "wrong → right")
    for text in page.locator(".cwb-flips").get_by_role("button").all_inner_texts():
        before, after, truth = re.fullmatch(r"(\d) → (\d)\s+true (\d)", text).groups()
        assert before != truth == after
    choose(page, "By class")
    expect(page.get_by_role("table", name=re.compile("by class")).get_by_role("row")).to_have_count(11)
    picture(page, "answers-classes")
    choose(page, "Confusion")
    rows = page.get_by_role("table", name=re.compile("confusion matrix")).locator("tbody tr").all()
    for row in rows:
        cells = [text.replace("·", "0").replace("−", "-") for text in row.locator("td").all_inner_texts()]
        assert len(cells) == 10 and sum(int(text) for text in cells) == 0
    picture(page, "answers-confusion")
    choose(page, "Confidence")
    expect(page.locator(".cwb-answers canvas.cwb-drawing")).to_have_attribute(
        "aria-label", re.compile("Expected calibration error"), timeout=PATIENCE
    )
    picture(page, "answers-confidence")
    choose(page, "Which flipped")


def test_a_drawn_digit_is_answered_by_both_networks_while_it_is_drawn(page: Page):
    opened(page, "Try it")
    answer = page.get_by_role("region", name="Original", exact=True).locator(".cwb-said-answer")
    expect(answer).to_have_text(re.compile(r"\d"), timeout=PATIENCE)
    box = page.locator(".cwb-pad").bounding_box()

    def at(across: float, down: float) -> tuple[float, float]:
        return box["x"] + across * box["width"], box["y"] + down * box["height"]

    page.mouse.move(*at(0.5, 0.15))
    page.mouse.down()
    page.mouse.move(*at(0.48, 0.85), steps=8)
    page.mouse.up()
    expect(page.locator(".cwb-trial")).to_have_attribute("data-image", "drawn", timeout=PATIENCE)
    expect(answer).to_have_text("1", timeout=PATIENCE)
    expect(page.locator(".cwb-seen .cwb-help")).to_contain_text("20 × 20")
    picture(page, "try-drawn")
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(page.locator(".cwb-trial-verdict")).to_contain_text("Nothing is drawn yet", timeout=PATIENCE)


def test_test_images_by_the_keyboard_and_a_picture_from_a_file(page: Page):
    opened(page, "Try it")
    following = page.get_by_role("button", name="Next test image")
    following.focus()
    page.keyboard.press("Enter")  # from what was drawn to the first one
    page.keyboard.press("ArrowRight")
    expect(page.locator(".cwb-seen .cwb-help")).to_have_text("Test image 2 of 10,000", timeout=PATIENCE)
    expect(page.locator(".cwb-trial-verdict")).to_contain_text("True: ")
    picture(page, "try-image")
    digit = page.locator(".cwb-seen canvas").screenshot()
    page.locator(".cwb-trial input").set_input_files({"name": "digit.png", "mimeType": "image/png", "buffer": digit})
    expect(page.locator(".cwb-trial")).to_have_attribute("data-image", "drawn", timeout=PATIENCE)
    page.locator(".cwb-trial input").set_input_files({"name": "no.png", "mimeType": "image/png", "buffer": b"nothing"})
    expect(page.locator(".cwb-trial").get_by_role("alert")).to_contain_text("no.png is not a picture", timeout=PATIENCE)


def test_a_network_known_by_its_shapes_has_a_sentence_and_the_next_one_its_pictures_again(page: Page):
    opened(page, "Weights")
    network = page.get_by_label("Network", exact=True)
    network.select_option("vgg-16")
    expect(page.locator(".cwb-tabpanel:visible")).to_contain_text("it has no weights to look at", timeout=PATIENCE)
    network.select_option("lenet-300-100/mnist")
    expect(page.locator(".cwb-weights")).to_be_visible(timeout=PATIENCE)

"""The trade-off plot in a browser: one goes where one clicks, two are compared, goals are drawn, estimates leave."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import picture
from tests.browser.front_ends import PATIENCE, FrontEnd, serve
from tests.browser.panel_page import PanelPage, plain
from tests.browser.test_accessible import grave

# What the points of the drawing are called, and where each is on the page.
_POINTS = """() => {
    const drawing = document.querySelector(".cwb-plot");
    const { x, y, text, marker } = drawing.data[1];
    const { left, top } = drawing.getBoundingClientRect();
    const { xaxis, yaxis } = drawing._fullLayout;
    return text.map((label, at) => ({
        label: label.split("<br>")[0].replaceAll("\\u00a0", " "), symbol: marker.symbol[at],
        x: left + xaxis._offset + xaxis.d2p(x[at]), y: top + yaxis._offset + yaxis.d2p(y[at]),
    }));
}"""
_CLIPPED = """() => {
    const drawing = document.querySelector(".cwb-plot").getBoundingClientRect();
    const marks = [...document.querySelectorAll(".cwb-plot .points path")];
    const inside = ({ left, right, top, bottom }) =>
        left >= drawing.left && right <= drawing.right && top >= drawing.top && bottom <= drawing.bottom;
    const cut = (mark) => mark.closest("[clip-path*=plot]") || !inside(mark.getBoundingClientRect());
    return marks.length === 0 || marks.some(cut);
}"""

_RANGES = """() => {
    const { xaxis, yaxis } = document.querySelector(".cwb-plot")._fullLayout;
    return [...xaxis.range, ...yaxis.range].map((end) => end.toFixed(6));
}"""


@pytest.fixture(scope="module")
def front_end(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontEnd]:
    with serve("voila", tmp_path_factory.mktemp("voila")) as running:
        yield running


def plot(panel: PanelPage) -> Locator:
    return panel.root.locator(".cwb-plot")


def drawn(panel: PanelPage, label: str) -> dict:
    """The point of that name, once it is in the drawing, which waits for a pause."""
    panel.page.wait_for_function(
        f"(label) => ({_POINTS})().some((one) => one.label === label)", arg=label, timeout=PATIENCE
    )
    return next(one for one in panel.page.evaluate(_POINTS) if one["label"] == label)


def click(panel: PanelPage, label: str, *keys: str) -> None:
    """Click that point with `keys` held down; with the pointer over the picture, the points stay where they are."""
    x = y = 0.0
    place = drawn(panel, label)
    while (x, y) != (place["x"], place["y"]):
        x, y = place["x"], place["y"]
        panel.page.mouse.move(x, y)
        place = drawn(panel, label)
    for key in keys:
        panel.page.keyboard.down(key)
    panel.page.mouse.click(x, y)
    for key in keys:
        panel.page.keyboard.up(key)


def compared(panel: PanelPage) -> Locator:
    """The comparison, once it has been judged."""
    side_by_side = panel.root.get_by_role("region", name="Comparison")
    expect(side_by_side.locator(".cwb-verdict")).to_contain_text("ccuracy", timeout=PATIENCE)
    return side_by_side


def suggested(panel: PanelPage) -> None:
    """Until what nobody has visited yet has been measured."""
    expect(panel.root.locator(".cwb-points summary")).to_have_text(
        re.compile(r"All (9|\d\d+) points"), timeout=PATIENCE
    )


def test_at_first_sight_there_is_a_front_with_its_knee_and_no_empty_box(panel):
    suggested(panel)
    expect(plot(panel)).to_have_attribute(
        "aria-label", re.compile("^Accuracy over size of .* The front bends most at ")
    )
    expect(panel.root.locator(".cwb-plot-empty")).to_be_hidden()
    expect(plot(panel).locator(".annotation-text")).to_have_text("knee")
    expect(panel.root.locator(".cwb-marks")).to_contain_text("measured for you, not visited")
    assert panel.root.locator(".cwb-recipe").inner_text().lower() == "no compression"  # nobody was taken anywhere


def test_the_original_is_a_whole_diamond(panel):
    original = drawn(panel, "original")
    assert original["symbol"] == "diamond"
    assert not panel.page.evaluate(_CLIPPED)


def test_a_click_goes_there_and_undo_comes_back(panel):
    suggested(panel)
    click(panel, "sparsity 80 %, 4 bits")
    expect(panel.slider("Sparsity")).to_have_attribute("aria-valuetext", "80 %", timeout=PATIENCE)
    expect(panel.slider("Bits")).to_have_attribute("aria-valuetext", "4 bits")
    panel.settle()
    panel.root.get_by_role("button", name="Undo").click()
    expect(panel.slider("Sparsity")).to_have_attribute("aria-valuetext", "0 %")


def test_a_shift_click_compares_and_so_does_the_table(panel):
    suggested(panel)
    click(panel, "sparsity 90 %, 4 bits", "Shift")
    side_by_side = panel.root.get_by_role("region", name="Comparison")
    expect(side_by_side.locator(".cwb-verdict")).to_contain_text("Accuracy differs by \u2212", timeout=PATIENCE)
    expect(side_by_side).to_contain_text(
        re.compile(r"of 10,000 images get another answer: \d+ right only in the first")
    )
    size = plain(side_by_side.locator("tr[data-measure=size]").inner_text())
    assert re.search(r"1,066 kB\s36\.4 kB\s29\.3\u00d7 smaller", size)
    assert panel.slider("Sparsity").get_attribute("aria-valuetext") == "0 %"  # it stayed where it was
    picture(panel.page, "tradeoff-comparison")
    panel.root.locator(".cwb-points summary").click()
    other = panel.root.get_by_role("button", name=re.compile(r"^Compare with: 8.bits$"))
    other.focus()
    panel.page.keyboard.press("Enter")
    expect(side_by_side.locator(".cwb-verdict")).to_contain_text("No clear difference in accuracy", timeout=PATIENCE)
    side_by_side.get_by_role("button", name="Close").click()
    expect(side_by_side).to_be_hidden()
    panel.root.locator(".cwb-points summary").click()


def test_kmeans_is_seen_beside_uniform_at_four_bits_in_three_actions(panel):
    panel.slider("Bits").fill("4")
    panel.settle()
    panel.root.get_by_label("Bits method").select_option("quantize.kmeans")
    panel.settle()
    click(panel, "4 bits", "Shift")
    side_by_side = compared(panel)
    heads = plain(side_by_side.locator("thead").inner_text()).lower()
    assert "4 bits (k-means weight sharing)" in heads and re.search(r"(^|\s)4 bits(\s|$)", heads)
    side_by_side.get_by_role("button", name="Close").click()
    panel.root.get_by_label("Bits method").select_option("quantize.uniform")


def test_two_points_clicked_in_quick_succession_are_no_double_click(panel):
    suggested(panel)
    before = panel.page.evaluate(_RANGES)
    for label in ("sparsity 80 %, 4 bits", "sparsity 90 %, 4 bits"):
        point = drawn(panel, label)
        panel.page.mouse.click(point["x"], point["y"])
        panel.page.wait_for_timeout(200)  # as long as a person takes at the least; a double click has 500
    expect(panel.slider("Sparsity")).to_have_attribute("aria-valuetext", "90 %", timeout=PATIENCE)
    panel.settle()
    assert panel.page.evaluate(_RANGES) == before


def test_a_part_that_was_drawn_larger_gives_way_to_the_whole(panel):
    suggested(panel)
    before = panel.page.evaluate(_RANGES)
    box = plot(panel).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    panel.page.mouse.move(x, y)
    panel.page.mouse.down()
    panel.page.mouse.move(x + 120, y + 80, steps=8)
    panel.page.mouse.up()
    panel.page.wait_for_function(f"(before) => String(({_RANGES})()) !== before", arg=",".join(before))
    panel.page.mouse.dblclick(x + 50, box["y"] + 20)  # where nothing lies
    panel.page.wait_for_function(f"(before) => String(({_RANGES})()) === before", arg=",".join(before))


def test_one_that_lies_beneath_where_one_is_can_be_clicked(panel):
    for bits in ("2", "8"):  # of which the latter leaves out as good as no operation
        panel.slider("Bits").fill(bits)
        panel.settle()
    panel.root.get_by_label("Horizontal axis").select_option("effective_macs")
    panel.root.get_by_label("Vertical axis").select_option("effective_macs")
    expect(plot(panel).locator(".xtitle")).to_have_text("Effective MACs")
    click(panel, "8 bits", "Shift")
    heads = plain(compared(panel).locator("thead").inner_text()).lower()
    assert re.search(r"8 bits\s+(original|4 bits \(k-means)", heads)  # which of them is nearer is a matter of the scale
    panel.root.get_by_role("region", name="Comparison").get_by_role("button", name="Close").click()
    panel.root.get_by_label("Horizontal axis").select_option("size")
    panel.root.get_by_label("Vertical axis").select_option("accuracy")


def test_the_picture_waits_while_somebody_aims(panel):
    suggested(panel)
    box = plot(panel).bounding_box()
    labels = "() => document.querySelector('.cwb-plot').data[1].text.map((one) => one.split('<br>')[0])"
    panel.slider("Bits").focus()
    panel.page.mouse.move(box["x"] + 60, box["y"] + 60)
    before = panel.page.evaluate(labels)
    panel.page.keyboard.press("Home")
    for step in range(12):
        panel.page.mouse.move(box["x"] + 60 + step, box["y"] + 60)
        assert panel.page.evaluate(labels) == before
        panel.page.wait_for_timeout(200)
    panel.settle()
    panel.page.mouse.move(2, 2)
    panel.page.wait_for_function(f"(before) => String(({labels})()) !== before", arg=",".join(before))


def test_goals_shade_what_is_out_and_say_what_is_left(panel):
    suggested(panel)
    for name, text in (("Goal: at least, accuracy", "98 %"), ("Goal: at most, size", "150")):
        panel.root.get_by_label(name).fill(text)
        panel.page.keyboard.press("Enter")
    expect(panel.root.get_by_label("Goal: at most, size")).to_have_value(re.compile("150.kB"))
    shipped = r"3 bits \(Quantisation-aware training\)"  # comes a little later than what others cost
    expect(panel.root.locator(".cwb-kept")).to_contain_text(re.compile(f"least size: (sparsity 50|{shipped})"))
    expect(plot(panel).locator(".shapelayer path")).to_have_count(4)
    picture(panel.page, "tradeoff-goals")
    field = panel.root.get_by_label("Goal: at most, size")
    field.fill("small")
    panel.page.keyboard.press("Enter")
    expect(panel.root.locator(".cwb-goal-error")).to_contain_text("is no size")
    for name in ("Goal: at least, accuracy", "Goal: at most, size"):
        panel.root.get_by_label(name).fill("")
        panel.page.keyboard.press("Enter")
    expect(panel.root.locator(".cwb-goal-error")).to_be_empty()
    expect(plot(panel).locator(".shapelayer path")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_core_finds_nothing_serious_with_everything_open(panel, scheme):
    suggested(panel)
    panel.page.emulate_media(color_scheme=scheme)
    expect(panel.root).to_have_attribute("data-theme", scheme)
    panel.root.get_by_label("Goal: at most, size").fill("small")
    panel.page.keyboard.press("Enter")
    expect(panel.root.locator(".cwb-goal-error")).to_contain_text("is no size")
    panel.root.locator(".cwb-points summary").click()
    panel.root.get_by_role("button", name=re.compile(r"^Compare with: 8.bits$")).click()
    expect(panel.root.locator(".cwb-verdict")).to_contain_text("No clear difference", timeout=PATIENCE)
    assert grave(panel.page, scheme) == []
    panel.root.get_by_role("region", name="Comparison").get_by_role("button", name="Close").click()
    panel.root.locator(".cwb-points summary").click()
    panel.root.get_by_label("Goal: at most, size").fill("")
    panel.page.keyboard.press("Enter")
    panel.page.emulate_media(color_scheme="light")


def test_any_two_measures_can_be_set_against_each_other(panel):
    panel.root.get_by_label("Horizontal axis").select_option("energy")
    panel.root.get_by_label("Vertical axis").select_option("peak_memory")
    expect(plot(panel)).to_have_attribute("aria-label", re.compile("^Peak memory over energy of"))
    expect(plot(panel).locator(".xtitle")).to_have_text("Energy")
    expect(panel.root.get_by_label("Show", exact=True)).to_be_hidden()  # of accuracy alone
    panel.root.get_by_label("Vertical axis").select_option("latency")
    expect(panel.root.locator(".cwb-plot-empty")).to_contain_text("Latency of this network is not known yet")
    panel.root.get_by_label("Horizontal axis").select_option("size")
    panel.root.get_by_label("Vertical axis").select_option("accuracy")
    expect(plot(panel)).to_have_attribute("aria-label", re.compile("^Accuracy over size of"))


def test_estimates_of_a_fast_sweep_are_gone_after_a_rest(panel):
    suggested(panel)
    panel.drag_slider("Sparsity", 0.95)
    panel.drag_slider("Sparsity", 0.4)
    panel.settle()
    panel.page.wait_for_function(f"() => ({_POINTS})().every((one) => !one.symbol.endsWith('open'))", timeout=PATIENCE)
    expect(panel.root.locator(".cwb-marks")).not_to_contain_text("estimate")
    drawn(panel, plain(panel.root.locator(".cwb-recipe").text_content()).lower())


def test_the_table_can_be_sorted(panel):
    suggested(panel)
    panel.root.locator(".cwb-points summary").click()
    head = panel.root.locator(".cwb-points thead th", has_text="Size")
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    sizes = [plain(one) for one in panel.root.locator(".cwb-points tbody td:nth-child(4)").all_inner_texts()]
    values = [float(one.removesuffix(" kB").replace(",", "")) for one in sizes]
    assert values == sorted(values) and len(values) > 8
    panel.root.locator(".cwb-points summary").click()


def test_dark_and_narrow_it_is_whole(panel):
    suggested(panel)
    panel.page.emulate_media(color_scheme="dark")
    expect(panel.root).to_have_attribute("data-theme", "dark")
    panel.page.wait_for_function(
        """() => document.querySelector(".cwb-plot")._fullLayout.xaxis.gridcolor ===
                 getComputedStyle(document.querySelector(".cwb")).getPropertyValue("--cwb-plot-grid").trim()""",
        timeout=PATIENCE,
    )
    picture(panel.page, "tradeoff-dark")
    panel.page.set_viewport_size({"width": 390, "height": 844})
    expect(plot(panel).locator(".main-svg").first).to_have_js_property(
        "clientWidth", plot(panel).evaluate("(one) => one.clientWidth")
    )
    assert panel.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert not panel.page.evaluate(_CLIPPED)
    picture(panel.page, "tradeoff-narrow")
    panel.page.emulate_media(color_scheme="light")
    panel.page.set_viewport_size({"width": 1280, "height": 900})

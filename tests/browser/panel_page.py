"""The panel as a person meets it: by role and name, by pointer and keyboard."""

import re

from playwright.sync_api import Locator, Page

from tests.browser.front_ends import PATIENCE

_SETTLED = """() => {
    const root = document.querySelector(".cwb");
    const idle = root?.querySelector(".cwb-progress button").getAttribute("aria-disabled") === "true";
    return idle && [...root.querySelectorAll(".cwb-tile")].every((tile) => tile.dataset.current === "true");
}"""
_TOLD = """() => {
    const { foreseen } = document.querySelector(".cwb").dataset;
    if (foreseen !== window.foreseen) Object.assign(window, { foreseen, since: performance.now() });
    return performance.now() - window.since > 1500;
}"""
_CURRENT = "(tiles) => tiles.map(({dataset}) => [dataset.key, dataset.current === 'true'])"
_PREFIXES = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "m": 1e-3, "µ": 1e-6, "n": 1e-9, "p": 1e-12}


class PanelPage:
    def __init__(self, page: Page) -> None:
        self.page = page
        self.root = page.locator(".cwb").first

    def settle(self) -> None:
        """Until every figure is the newest move's, exact."""
        self.page.wait_for_function(_SETTLED, timeout=PATIENCE)

    def foreseen(self) -> None:
        """Until the page has been told ahead of all that it will be."""
        self.page.wait_for_function(_TOLD, timeout=PATIENCE)

    def current(self) -> dict[str, bool]:
        """Which tiles count as the newest move's."""
        return dict(self.root.locator(".cwb-tile").evaluate_all(_CURRENT))

    def show(self, card: str) -> None:
        """Open a card of the stage by the name on its tab."""
        self.root.get_by_role("tab", name=card, exact=True).click()

    def reset(self) -> None:
        """Back to the network and the controls that the page opened with."""
        self.root.get_by_role("button", name="Reset", exact=True).click()
        self.steps.locator("details").first.evaluate("(details) => (details.open = false)")
        self.show("Trade-off")
        self.root.get_by_label("Network").select_option("lenet-300-100/mnist")
        self.root.get_by_label("Device for energy").select_option("horowitz-45nm")
        self.settle()

    def slider(self, name: str) -> Locator:
        return self.root.get_by_role("slider", name=name, exact=True)

    @property
    def steps(self) -> Locator:
        return self.root.get_by_role("region", name="More steps", exact=True)

    def add_step(self, method: str) -> None:
        if not self.steps.get_by_role("list").is_visible():
            self.steps.get_by_text("More steps").click()
        self.steps.get_by_label("Method to add").select_option(method)
        self.steps.get_by_role("button", name="Add", exact=True).click()

    def order(self) -> list[str]:
        """The titles of the steps from the top down."""
        return [
            plain(title)
            for title in self.steps.locator(".cwb-step-title > :is(label, span:first-child)").all_inner_texts()
        ]

    def type_into_slider(self, name: str, *keys: str) -> str:
        """Press keys on a focused slider and return what it then says of itself."""
        self.slider(name).focus()
        for key in keys:
            self.page.keyboard.press(key)
        return self.slider(name).get_attribute("aria-valuetext")

    def drag_slider(self, name: str, share: float) -> str:
        """Drag the thumb to `share` of the track, from the left, and return what the slider then says of itself."""
        slider = self.slider(name)
        slider.scroll_into_view_if_needed()
        box = slider.bounding_box()
        y = box["y"] + box["height"] / 2
        self.page.mouse.move(box["x"] + 10, y)
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + 10 + share * (box["width"] - 20), y, steps=12)
        self.page.mouse.up()
        return slider.get_attribute("aria-valuetext")

    def tile(self, name: str) -> Locator:
        return self.root.get_by_role("region", name=name, exact=True)

    def value(self, name: str) -> str:
        return plain(self.tile(name).locator(".cwb-value").inner_text())

    def number(self, name: str) -> float:
        """The tile's big figure in its base unit: MACs, joules, a share for "%"."""
        return in_base_unit(self.value(name))

    def original(self, name: str) -> float:
        return in_base_unit(plain(self.tile(name).locator(".cwb-original > span").last.inner_text()))

    def details(self, name: str) -> list[str]:
        return [plain(one) for one in self.tile(name).locator(".cwb-details li").all_inner_texts()]

    def badges(self, name: str) -> list[str]:
        return self.tile(name).locator(".cwb-badge").all_inner_texts()

    def points(self) -> int:
        """How many points the plot says that it holds."""
        found = re.search(r"\d+", self.root.locator(".cwb-points summary").inner_text())
        return int(found[0]) if found else 1


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u2212", "-")


def in_base_unit(text: str) -> float:
    """ "26.6 k MACs" -> 26600.0, "9.59 µJ" -> 9.59e-06, "97.93 %" -> 0.9793."""
    number, rest = re.fullmatch(r"([\d.,]+) ?(.*)", text).groups()
    value = float(number.replace(",", ""))
    if rest == "%":
        return value / 100
    prefix = re.fullmatch(r"([kMGmµnp]?) ?(?:MACs|J|B|bytes)", rest)[1]
    return value * _PREFIXES[prefix]

"""The page under Voila and in JupyterLab, driven as a person would, against what `workbench measure` prints."""

import json
import os
import re
import signal
import urllib.error
import urllib.request
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser, expect

import workbench
from benchmarks import servers
from benchmarks.startup import kernels
from tests.browser.conftest import Traffic, picture
from tests.browser.front_ends import PATIENCE, ROOT, FrontEnd
from tests.browser.panel_page import PanelPage, in_base_unit, plain
from workbench.cli import main
from workbench.method import METHODS
from workbench.methods.prune.loop import BOXES

pytestmark = pytest.mark.browser
LENET = "lenet-300-100/mnist"
# For what the page does by itself, alike in both front ends; how it gets to its kernel the other tests try in both.
ONE_FRONT_END = pytest.mark.parametrize("front_end", ["voila"], indirect=True)
_WATCH = """(list) => {
    window.lit = [];
    const note = () => window.lit.push(list.querySelector("[aria-current]")?.innerText);
    new MutationObserver(note).observe(list, { attributes: true, childList: true, subtree: true });
}"""


@cache
def measured(model: str, *options: str) -> dict:
    """What the command prints."""
    ran = CliRunner().invoke(main, ["measure", model, *options, "--json"], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return json.loads(ran.stdout)


def assert_tiles_say(panel: PanelPage, expected: dict) -> None:
    panel.settle()
    now, was = expected["compressed"], expected["original"]
    assert panel.value("Accuracy") == f"{100 * now['accuracy']['value']:.2f} %"
    assert f"on {now['accuracy']['images']:,} test images" in panel.details("Accuracy")
    assert_costs_say(panel, expected)
    assert panel.original("Accuracy") == pytest.approx(was["accuracy"]["value"], abs=6e-5)
    assert panel.badges("Accuracy") == [now["accuracy"]["badge"], was["accuracy"]["badge"]]
    sizes = {row["name"]: row["bytes"] for row in expected["layers"]}
    for name, count in sizes.items():
        cell = panel.root.locator(f'tr[data-layer="{name}"] td[data-cell="bytes"] > span').first
        assert in_base_unit(plain(cell.inner_text())) == pytest.approx(count, rel=0.006)


def assert_costs_say(panel: PanelPage, expected: dict) -> None:
    now, was = expected["compressed"], expected["original"]
    assert panel.details("Size")[0] == f"{now['size']['value']:,} bytes"
    assert panel.number("Operations") == pytest.approx(now["effective_macs"], rel=0.006)
    assert in_base_unit(panel.details("Operations")[1].replace("bit operations", "MACs")) == pytest.approx(
        now["bit_operations"]["value"], rel=0.006
    )
    assert panel.number("Energy") == pytest.approx(now["energy"]["value"], rel=0.006)
    assert panel.original("Size") == pytest.approx(was["size"]["value"], rel=0.006)
    assert panel.original("Energy") == pytest.approx(was["energy"]["value"], rel=0.006)
    for name, key in (("Size", "size"), ("Energy", "energy")):
        assert panel.badges(name) == [now[key]["badge"], was[key]["badge"]]


def test_sparsity_by_keyboard(panel):
    assert panel.type_into_slider("Sparsity", "PageUp", "PageUp", "ArrowRight", "ArrowUp") == "22 %"
    assert_tiles_say(panel, measured(LENET, "--sparsity", "0.22"))


@ONE_FRONT_END
def test_sparsity_by_pointer(panel):
    said = panel.drag_slider("Sparsity", 0.5)
    assert 45 <= int(said.removesuffix(" %")) <= 55
    assert_tiles_say(panel, measured(LENET, "--sparsity", f"0.{said.removesuffix(' %')}"))


@ONE_FRONT_END
def test_bits_by_keyboard(panel):
    assert panel.type_into_slider("Bits", "ArrowRight", "ArrowRight", "ArrowDown") == "6 bits"
    assert_tiles_say(panel, measured(LENET, "--bits", "6"))


@ONE_FRONT_END
def test_bits_by_pointer(panel):
    assert panel.drag_slider("Bits", 5 / 8) == "4 bits"
    assert_tiles_say(panel, measured(LENET, "--bits", "4"))


def test_rank_by_keyboard_is_flagged_where_it_costs_more(panel):
    assert panel.type_into_slider("Rank", "PageDown", "ArrowRight") == "89 %"
    assert_tiles_say(panel, measured(LENET, "--rank", "0.89"))
    expect(panel.root.locator(".cwb-layer-note").first).to_contain_text("break-even")


@ONE_FRONT_END
def test_rank_by_pointer(panel):
    said = panel.drag_slider("Rank", 0.8)
    assert_tiles_say(panel, measured(LENET, "--rank", f"0.{int(said.removesuffix(' %')):02d}"))


@ONE_FRONT_END
def test_all_three_with_another_method_network_and_device(panel):
    panel.root.get_by_label("Network").select_option("lenet-5/mnist")
    panel.root.get_by_label("Device for energy").select_option("cortex-m4-l4r5")
    panel.root.get_by_label("Bits method").select_option("quantize.kmeans")
    panel.type_into_slider("Sparsity", "PageUp", "PageUp", "PageUp")
    panel.type_into_slider("Bits", *["ArrowRight"] * 4)
    panel.type_into_slider("Rank", *["PageDown"] * 4)
    options = ("--sparsity", "0.3", "--bits", "5", "--rank", "0.6", "--bits-method", "quantize.kmeans")
    assert_tiles_say(panel, measured("lenet-5/mnist", *options, "--device", "cortex-m4-l4r5"))
    panel.root.get_by_label("Bits method").select_option("quantize.uniform")


def test_a_layer_has_a_value_of_its_own_and_follows_again(panel, tmp_path):
    panel.type_into_slider("Bits", *["ArrowRight"] * 5)
    panel.show("Layers")
    panel.root.get_by_role("button", name="Adjust layer fc1").press("Enter")
    panel.type_into_slider("Bits of layer fc1", "ArrowRight")
    file = tmp_path / "recipe.json"
    file.write_text(workbench.Recipe.sliders(bits=4, overrides={"fc1": {"bits": 3}}).to_json())
    assert_tiles_say(panel, measured(LENET, "--recipe", str(file)))
    expect(panel.root.get_by_text("own value", exact=True).first).to_be_visible()
    panel.root.get_by_role("button", name="Clear Bits of layer fc1").press("Enter")
    assert_tiles_say(panel, measured(LENET, "--bits", "4"))
    panel.root.get_by_role("button", name="Adjust layer fc1").press("Enter")


# After every change of the page: whatever counts as current must be of the recipe that the slider shows.
WATCH = """() => {
    const root = document.querySelector(".cwb");
    window.looks = 0;
    window.stale = [];
    const look = () => {
        const said = root.querySelector("[data-axis=sparsity] output").textContent;
        const recipe = root.querySelector(".cwb-recipe").textContent.replaceAll("\u00a0", " ");
        const current = [...root.querySelectorAll(".cwb-tile")].some((tile) => tile.dataset.current === "true");
        window.looks += 1;
        if (current && said !== "0 %" && recipe !== `sparsity ${said}`) window.stale.push([said, recipe]);
    };
    window.watcher = new MutationObserver(look);
    window.watcher.observe(root, {subtree: true, childList: true, attributes: true, characterData: true});
}"""


@ONE_FRONT_END
def test_a_swept_slider_ends_where_it_was_left_and_nothing_stale_is_current(panel):
    panel.page.evaluate(WATCH)
    panel.slider("Sparsity").focus()
    for key in ["ArrowRight"] * 40 + ["ArrowLeft"] * 18:
        panel.page.keyboard.press(key)
    assert_tiles_say(panel, measured(LENET, "--sparsity", "0.22"))
    panel.page.evaluate("() => window.watcher.disconnect()")
    assert panel.page.evaluate("() => window.looks") > 58
    assert panel.page.evaluate("() => window.stale") == []


# Every change of what the three tiles of the costs say, and of whether it counts.
REDRAWN = """() => {
    window.redrawn = [];
    window.watcher = new MutationObserver((records) => window.redrawn.push(...records
        .filter((one) => one.type !== "attributes" || one.oldValue !== one.target.getAttribute(one.attributeName))
        .map((one) => `${one.type} ${one.attributeName} ${one.target.textContent}`)));
    for (const key of ["size", "operations", "energy"]) {
        window.watcher.observe(document.querySelector(`.cwb-tile[data-key=${key}]`), {
            subtree: true, childList: true, characterData: true, attributes: true, attributeOldValue: true,
        });
    }
}"""


def test_the_costs_follow_a_slider_while_the_kernel_is_held_up_and_stay_when_it_answers(panel, front_end):
    processes = kernels(front_end.server)
    if not processes:
        pytest.skip("needs /proc")
    panel.type_into_slider("Bits", *["ArrowRight"] * 5)
    panel.settle()
    panel.slider("Sparsity").hover()
    panel.foreseen()
    hold(processes, signal.SIGSTOP)
    try:
        for keys, share in ((["PageUp"] * 3, 30), (["ArrowLeft"] * 4, 26), (["PageUp"] * 4, 66)):
            assert panel.type_into_slider("Sparsity", *keys) == f"{share} %"
            assert_ahead(panel, share)
            assert_costs_say(panel, measured(LENET, "--sparsity", str(share / 100), "--bits", "4"))
        picture(panel.page, f"{front_end.name}-ahead")
        panel.root.get_by_role("button", name="Undo").click()
        assert_ahead(panel, int(panel.slider("Sparsity").input_value()))
        panel.root.get_by_role("button", name="Redo").click()
        assert_ahead(panel, 66)
        devices = panel.root.get_by_label("Device for energy")
        devices.select_option("cortex-m4-l4r5")  # of which the page knows nothing yet
        assert panel.current() == {"accuracy": False, "size": False, "operations": False, "energy": False}
        devices.select_option("horowitz-45nm")
        assert_ahead(panel, 66)
        panel.page.evaluate(REDRAWN)
    finally:
        hold(processes, signal.SIGCONT)
    assert_tiles_say(panel, measured(LENET, "--sparsity", "0.66", "--bits", "4"))
    panel.page.evaluate("() => window.watcher.disconnect()")
    assert panel.page.evaluate("() => window.redrawn") == []


def hold(processes: list[int], what: signal.Signals) -> None:
    for process in processes:
        os.kill(process, what)


def assert_ahead(panel: PanelPage, sparsity: int) -> None:
    """Costs at so many per cent and 4 bits are current, the accuracy is on its way, and the kernel was not heard."""
    recipe = f"sparsity {sparsity} %, 4 bits" if sparsity else "4 bits"
    assert panel.current() == {"accuracy": False, "size": True, "operations": True, "energy": True}
    assert plain(panel.root.locator(".cwb-recipe").text_content()) == recipe
    assert panel.root.locator(".cwb-tile[data-key=accuracy]").get_attribute("aria-busy") == "true"
    numbers = panel.root.evaluate("(root) => ({...root.dataset})")
    assert numbers["costs"] == numbers["asked"] != numbers["answered"]


@ONE_FRONT_END
def test_every_recipe_visited_stays_in_the_plot(panel):
    before = panel.points()
    for _ in range(3):
        panel.type_into_slider("Sparsity", "PageUp", "ArrowRight", "ArrowRight", "ArrowRight")
        panel.settle()
    # drawn after a pause, so that it takes no time from the moves
    expect(panel.root.locator(".cwb-plot")).to_have_attribute("aria-label", re.compile("sparsity 39"))
    assert panel.points() >= before
    panel.root.locator(".cwb-points summary").click()
    panel.page.wait_for_function(
        """() => document.querySelectorAll(".cwb-points tbody tr").length ===
                 Number(document.querySelector(".cwb-points summary").textContent.match(/\\d+/)[0])"""
    )
    expect(panel.root.locator(".cwb-points tr[aria-current=true]")).to_contain_text("sparsity 39")
    panel.root.locator(".cwb-points summary").click()


def test_a_choice_that_does_not_exist_is_a_sentence_and_the_session_goes_on(panel):
    networks = panel.root.get_by_label("Network")
    networks.evaluate("(select) => select.append(new Option('none', 'no-such/network'))")
    networks.select_option("no-such/network")
    expect(panel.root.locator(".cwb-error").first).to_contain_text("no-such/network", timeout=PATIENCE)
    expect(networks).to_have_value(LENET)
    panel.type_into_slider("Bits", *["ArrowRight"] * 5)
    assert_tiles_say(panel, measured(LENET, "--bits", "4"))
    expect(panel.root.locator(".cwb-error").first).to_be_hidden()


@ONE_FRONT_END
def test_a_drag_a_run_of_keys_and_a_choice_are_undone_and_redone_each_as_one(panel):
    undo, redo = (panel.root.get_by_role("button", name=name) for name in ("Undo", "Redo"))

    def stands() -> tuple[str, str, str]:
        return panel.root.get_by_label("Network").input_value(), *(
            panel.slider(axis).input_value() for axis in ("Sparsity", "Bits")
        )

    seen = [stands()]
    panel.drag_slider("Sparsity", 0.5)
    seen.append(stands())
    panel.type_into_slider("Bits", *["ArrowRight"] * 4)
    seen.append(stands())
    panel.settle()
    size = panel.details("Size")
    panel.root.get_by_label("Network").select_option("lenet-5/mnist")
    panel.settle()
    seen.append(stands())
    expect(redo).to_have_attribute("aria-disabled", "true")
    undo.click()
    assert stands() == seen[2]
    panel.settle()
    assert panel.details("Size") == size
    panel.slider("Bits").focus()
    for before in (seen[1], seen[0]):
        panel.page.keyboard.press("Control+z")
        assert stands() == before
    for key, after in zip(("Control+y", "Control+Shift+Z"), seen[1:3], strict=True):
        panel.page.keyboard.press(key)
        assert stands() == after
    redo.click()
    assert stands() == seen[3]
    expect(redo).to_have_attribute("aria-disabled", "true")
    undo.click()
    panel.type_into_slider("Bits", "ArrowRight")
    expect(redo).to_have_attribute("aria-disabled", "true")  # another way was taken
    panel.settle()


ACTIVATIONS = "Quantisation of activations"


@ONE_FRONT_END
def test_a_step_is_added_set_moved_switched_off_removed_and_undone(panel):
    """Each answer is that of `workbench measure` with the same steps in the same order."""
    panel.type_into_slider("Sparsity", *["PageUp"] * 6)
    panel.add_step("quantize.activations")
    bits = f"Bits of {ACTIVATIONS}"
    assert panel.type_into_slider(bits, *["ArrowLeft"] * 4) == "4 bits"
    panel.steps.get_by_label(f"Ends of {ACTIVATIONS}").select_option("included")
    sparsity, activations = "prune.magnitude:sparsity=0.6", "quantize.activations:bits=4,ends=included"
    behind = measured(LENET, "--step", sparsity, "--step", activations)
    before = measured(LENET, "--step", activations, "--step", sparsity)
    alone = measured(LENET, "--sparsity", "0.6")
    assert len({one["compressed"]["bit_operations"]["value"] for one in (behind, alone)}) == 2
    assert_tiles_say(panel, behind)
    assert panel.order() == ["Rank", "Sparsity", "Bits", ACTIVATIONS]

    up = panel.steps.get_by_role("button", name=f"Move {ACTIVATIONS} up")
    up.focus()
    for _ in range(2):
        panel.page.keyboard.press("Enter")
    expect(up).to_be_focused()
    assert panel.order() == ["Rank", ACTIVATIONS, "Sparsity", "Bits"]
    assert_tiles_say(panel, before)

    panel.steps.get_by_role("checkbox", name=ACTIVATIONS).uncheck()
    assert_tiles_say(panel, alone)
    panel.steps.get_by_role("button", name=f"Remove {ACTIVATIONS}").click()
    assert panel.order() == ["Rank", "Sparsity", "Bits"]
    assert_tiles_say(panel, alone)

    undo = panel.root.get_by_role("button", name="Undo")
    undo.click()  # what was removed is there again, switched off
    expect(panel.steps.get_by_role("checkbox", name=ACTIVATIONS)).not_to_be_checked()
    undo.click()
    assert panel.order() == ["Rank", ACTIVATIONS, "Sparsity", "Bits"]
    assert_tiles_say(panel, before)
    undo.click()
    assert panel.order() == ["Rank", "Sparsity", "Bits", ACTIVATIONS]
    assert_tiles_say(panel, behind)
    expect(panel.steps.locator("summary").filter(has_text="4 bits, range least-error, ends included")).to_be_visible()


@ONE_FRONT_END
def test_every_method_of_the_shelf_can_be_added_and_shows_each_of_its_settings(panel):
    offered = panel.steps.locator("option").evaluate_all("(options) => options.map((option) => option.value)")
    assert sorted(offered) == sorted(METHODS)
    for method in ("quantize.product", "prune.retrained-magnitude"):
        panel.add_step(method)
        for setting in METHODS[method].settings():
            expect(
                panel.steps.get_by_label(
                    f"{setting.replace('_', ' ').capitalize()} of {METHODS[method].title}", exact=True
                )
            ).to_be_visible()
    panel.settle()
    standing = panel.steps.get_by_text("stands in until trained")
    expect(standing).to_be_visible()
    assert panel.root.locator(".cwb-tiles-head .cwb-kind").inner_text() == "preview"


@ONE_FRONT_END
def test_a_step_is_trained_while_the_sliders_are_live_and_is_what_the_command_says_then(panel):
    title = METHODS["prune.retrained-magnitude"].title
    panel.add_step("prune.retrained-magnitude")
    for setting in ("Rounds", "Epochs"):
        assert panel.type_into_slider(f"{setting} of {title}", "Home") == "1"
    panel.settle()
    step = "prune.retrained-magnitude:rounds=1,epochs=1"
    kind = panel.root.locator(".cwb-tiles-head .cwb-kind")
    expect(kind).to_have_text("preview")
    cut = measured(LENET, "--step", step)
    assert_tiles_say(panel, cut)
    panel.steps.get_by_role("button", name="Train", exact=True).click()
    expect(panel.steps.get_by_role("progressbar")).to_be_visible()
    expect(panel.steps.get_by_role("button", name="Cancel the training")).to_be_visible()
    panel.type_into_slider("Bits", "ArrowRight")  # answered while it trains
    panel.settle()
    panel.root.get_by_role("button", name="Undo").click()
    expect(kind).to_have_text("faithful", timeout=PATIENCE)
    expect(panel.steps.get_by_text("trained", exact=True)).to_be_visible()
    expect(panel.steps.get_by_role("progressbar")).to_be_hidden()
    measured.cache_clear()
    trained = measured(LENET, "--step", step)
    assert trained["kind"] == "faithful"
    assert trained["compressed"]["accuracy"]["value"] > cut["compressed"]["accuracy"]["value"]
    assert_tiles_say(panel, trained)

    panel.add_step("prune.retrained-magnitude")  # once more: what is said is of each step, not of its method
    panel.settle()
    standing = panel.steps.locator(".cwb-step-standing")
    expect(standing).to_have_text([re.compile(r"faithful\s*trained"), re.compile(r"preview\s*stands in until trained")])


@ONE_FRONT_END
def test_a_loop_lights_the_box_that_it_is_in_and_each_of_its_turns_is_a_point(panel):
    title = METHODS["prune.loop"].title
    panel.add_step("prune.loop")
    panel.steps.get_by_label(f"Criterion of {title}", exact=True).select_option("magnitude")
    assert panel.type_into_slider(f"Turns of {title}", "Home", "ArrowRight") == "2"
    panel.steps.get_by_label(f"Budget of {title}", exact=True).fill("100")
    panel.page.keyboard.press("Enter")
    panel.settle()
    panel.root.locator(".cwb-boxes").evaluate(_WATCH)
    panel.steps.get_by_role("button", name="Train", exact=True).click()
    expect(panel.root.locator(".cwb-boxes [aria-current]")).to_have_text("Fine-tune", timeout=PATIENCE)
    panel.root.locator(".cwb-boxes").scroll_into_view_if_needed()
    expect(panel.root.locator(".cwb-stage")).to_be_in_viewport(ratio=1)  # beside the boxes, far down as they are
    picture(panel.page, "loop")
    expect(panel.steps.get_by_text("trained", exact=True)).to_be_visible(timeout=PATIENCE)
    lit = panel.page.evaluate("window.lit")
    assert set(lit) - {None} == set(BOXES)
    panel.root.locator(".cwb-points summary").click()
    rows = panel.root.locator(".cwb-points tbody tr").filter(has_text=f"{title} (criterion magnitude")
    expect(rows.filter(has_text="retrained")).to_have_count(2)
    panel.root.locator(".cwb-points summary").click()


def test_the_exported_file_is_as_long_as_the_tile_says(panel, tmp_path):
    panel.type_into_slider("Sparsity", *["PageUp"] * 5)
    panel.settle()
    with panel.page.expect_download(timeout=PATIENCE) as download:
        panel.root.get_by_role("button", name="Export .cwb").click()
    path = Path(download.value.path())
    assert panel.details("Size")[0] == f"{path.stat().st_size:,} bytes"
    assert workbench.read(path).recipe == workbench.Recipe.sliders(sparsity=0.5)


@ONE_FRONT_END
def test_latency_is_measured_when_asked_and_goes_with_its_recipe(panel):
    panel.type_into_slider("Bits", *["ArrowRight"] * 5)
    panel.settle()
    panel.show("Speed")
    card = panel.root.get_by_role("region", name="Speed", exact=True)
    expect(card.locator(".cwb-value")).to_be_hidden()
    card.get_by_role("button", name="Measure latency").click()
    expect(card.get_by_role("button", name="Measure again")).to_be_visible(timeout=PATIENCE)
    expect(card.locator(".cwb-badge")).to_have_text("measured")
    expect(card.locator(".cwb-side-time")).to_have_text([re.compile("[mµ]s$")] * 2)
    panel.show("Layers")
    for name in ("fc1", "fc2", "fc3"):
        cell = panel.root.locator(f'tr[data-layer="{name}"] td[data-cell="latency"]')
        expect(cell).to_contain_text(re.compile("[mµ]s.*dense .*[mµ]s"))
    picture(panel.page, "voila-latency")
    panel.type_into_slider("Bits", "ArrowRight")
    panel.settle()
    expect(card.locator(".cwb-value")).to_be_hidden()
    expect(panel.root.locator('td[data-cell="latency"]').first).to_be_hidden()


FOCUSED = """() => {
    const one = document.activeElement;
    const style = getComputedStyle(one);
    const named = one.getAttribute("aria-label") || one.labels?.[0]?.textContent || one.textContent;
    return {name: named.trim(), inside: Boolean(one.closest(".cwb")), outline: style.outlineStyle !== "none"};
}"""


def test_every_control_is_reached_seen_and_named_by_keyboard_alone(panel):
    panel.root.get_by_label("Network").focus()
    reached = []
    for _ in range(60):
        focused = panel.page.evaluate(FOCUSED)
        if not focused["inside"]:
            break
        reached.append(focused)
        panel.page.keyboard.press("Tab")
    names = [one["name"] for one in reached]
    wanted = ["Network", "What this is", "Device for energy"]
    wanted += ["Undo", "Redo", "Reset", "Recipe", "Export .cwb", "faithful"]
    for badge in ("measured", "on disk", "modelled", "modelled"):
        wanted += [badge, "its figure"]
    for slider in ("Sparsity", "Bits", "Rank"):
        wanted += [f"About {slider.lower()}", slider, f"{slider} method", f"Options and source of {slider.lower()}"]
    wanted += ["Outcome", "More steps", "Do not show again"]
    wanted += ["Sparsity", "Below the bars", "Measure sensitivity", "fc1: Sparsity"]
    wanted += ["Trade-off", "Vertical axis", "Goal: at least, accuracy"]
    wanted += ["Horizontal axis", "Goal: at most, size", "Show", "its points", "What the badges and terms mean"]
    by_count = {r".*: how it came about": "its figure", r"All .* table": "its points"}  # called by what there is
    called = [next((word for like, word in by_count.items() if re.fullmatch(like, name)), name) for name in names]
    assert called == wanted
    assert all(one["outline"] for one in reached[1:])


def test_what_assistive_technology_is_told(panel):
    for name in ("Sparsity", "Bits", "Rank"):
        assert panel.slider(name).get_attribute("aria-description")
    panel.type_into_slider("Bits", *["ArrowRight"] * 8)
    panel.settle()
    expect(panel.slider("Bits")).to_have_attribute("aria-valuetext", "1 bit")
    status = panel.root.locator(".cwb-spoken")
    assert status.get_attribute("aria-live") == "polite"
    expect(status).to_contain_text("1 bit: accuracy", timeout=PATIENCE)
    for tile in ("Accuracy", "Size", "Operations", "Energy"):
        expect(panel.tile(tile)).to_be_visible()


CONTRAST = """() => {
    const rgb = (text) => {
        const canvas = new OffscreenCanvas(1, 1).getContext("2d");
        canvas.fillStyle = text;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const light = (text) => rgb(text).map((one) => one / 255)
        .map((one) => (one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4))
        .reduce((sum, one, index) => sum + one * [0.2126, 0.7152, 0.0722][index], 0);
    const ground = (one) => {
        for (; one; one = one.parentElement) {
            const color = getComputedStyle(one).backgroundColor;
            if (!/, 0\\)$|transparent/.test(color)) return color;
        }
        return "white";
    };
    const root = document.querySelector(".cwb");
    const texts = [...root.querySelectorAll("*")].filter((one) => one.checkVisibility()
        && !one.closest("svg, [aria-disabled=true], [data-current=false]") && one.textContent.trim()
        && [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()));
    return texts.map((one) => {
        const [a, b] = [light(getComputedStyle(one).color), light(ground(one))];
        return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), one.className || one.tagName];
    });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 1920])
def test_light_and_dark_at_both_widths(panel, front_end, scheme, width):
    page = panel.page
    page.set_viewport_size({"width": width, "height": 900})
    choose_theme(panel, front_end, scheme)
    panel.type_into_slider("Sparsity", *["PageUp"] * 4)
    panel.type_into_slider("Rank", "PageDown")
    panel.settle()
    expect(panel.root).to_have_attribute("data-theme", scheme)
    ratios = page.evaluate(CONTRAST)
    assert len(ratios) > 60  # texts on the page
    assert [(name, round(ratio, 2)) for ratio, name in ratios if ratio < 4.5] == []
    assert panel.root.evaluate("(root) => root.scrollWidth <= root.clientWidth")
    box = panel.root.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    panel.root.evaluate("(root) => root.scrollIntoView()")
    picture(page, f"{front_end.name}-{scheme}-{width}")
    choose_theme(panel, front_end, "light")
    page.set_viewport_size({"width": 1280, "height": 900})


@ONE_FRONT_END
def test_a_narrow_page_scrolls_in_one_direction(panel):
    page = panel.page
    panel.show("Layers")
    panel.root.get_by_role("button", name="Adjust layer fc1").press("Enter")
    panel.type_into_slider("Bits of layer fc1", "ArrowRight")
    panel.settle()
    for width in (360, 420, 700):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function("(width) => document.documentElement.scrollWidth === width", arg=width, timeout=PATIENCE)
    page.set_viewport_size({"width": 1280, "height": 900})
    panel.root.get_by_role("button", name="Adjust layer fc1").press("Enter")


def choose_theme(panel: PanelPage, front_end: FrontEnd, scheme: str) -> None:
    """Voila's page follows the system; JupyterLab has a theme of its own."""
    page = panel.page
    if front_end.name == "voila":
        page.emulate_media(color_scheme=scheme)
        return
    theme = f"JupyterLab {scheme.capitalize()}"
    if page.evaluate("() => document.body.dataset.jpThemeName") != theme:
        page.locator(".lm-MenuBar-itemLabel", has_text="Settings").click()
        page.locator(".lm-Menu-itemLabel", has_text="Theme").first.hover()
        page.locator(".lm-Menu-itemLabel").get_by_text(theme, exact=True).click()
    page.wait_for_function("(theme) => document.body.dataset.jpThemeName === theme", arg=theme, timeout=PATIENCE)


@ONE_FRONT_END
@pytest.mark.parametrize("path", ["/", "/api/kernels/0-0-0-0-0"])
def test_a_page_that_rebinds_its_own_name_to_this_machine_is_refused(front_end: FrontEnd, path: str):
    request = urllib.request.Request(front_end.address + path, headers={"Host": "elsewhere.example"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=PATIENCE / 1000)
    assert refused.value.code == 403


HOSTILE = """
import torch, workbench
from widgets import Dashboard
module = torch.nn.Sequential()
module.add_module("<img src=x onerror='harmed=1'>", torch.nn.Linear(12, 4))
model = workbench.Model.from_module(module, torch.zeros(1, 12), name="<script>harmed=1</script>")
Dashboard(workbench.Session(model))
"""


@pytest.mark.parametrize("front_end", ["lab"], indirect=True)
def test_names_that_a_network_brings_are_text_and_nothing_more(front_end: FrontEnd, browser: Browser):
    page = browser.new_page()
    traffic = Traffic(page)
    front_end.open(page, front_end.notebook("hostile.ipynb", HOSTILE))
    panel = PanelPage(page)
    expect(panel.root.get_by_label("Network")).to_have_value("<script>harmed=1</script>")
    expect(panel.root.locator("tbody th").filter(has_text="<img src=x")).to_be_attached(timeout=PATIENCE)
    panel.type_into_slider("Bits", "ArrowRight")
    expect(panel.root.locator("tbody td[data-cell=bits]").first).to_have_text("8", timeout=PATIENCE)
    assert page.evaluate("() => window.harmed") is None
    assert panel.root.locator("img, script").count() == 0
    assert traffic.left_the_machine() == []
    page.close()


PIECES = """
import workbench, widgets
session = workbench.Session(workbench.load("lenet-300-100/mnist"))
from IPython.display import display
display(widgets.Sliders(session), widgets.Tiles(session))
session.recipe = workbench.Recipe.sliders(bits=6)
"""


@pytest.mark.parametrize("front_end", ["lab"], indirect=True)
def test_pieces_in_cells_follow_each_other_and_code_moves_them(front_end: FrontEnd, browser: Browser):
    page = browser.new_page()
    traffic = Traffic(page)
    front_end.open(page, front_end.notebook("pieces.ipynb", PIECES))
    sliders, tiles = page.locator(".cwb").nth(0), page.locator(".cwb").nth(1)
    expect(tiles.locator(".cwb-recipe")).to_have_text("6 bits", timeout=PATIENCE)
    assert tiles.get_by_role("slider").count() == sliders.locator(".cwb-tile").count() == 0
    bits = sliders.get_by_role("slider", name="Bits", exact=True)
    expect(bits).to_have_attribute("aria-valuetext", "6 bits")
    bits.fill("3")
    expect(tiles.locator(".cwb-recipe")).to_have_text("3 bits", timeout=PATIENCE)
    picture(page, "lab-pieces")
    assert traffic.errors == []
    page.close()


OWN = """
import torch, workbench
from widgets import Dashboard
torch.manual_seed(0)
images = torch.randn(500, 12)
module = torch.nn.Sequential(torch.nn.Linear(12, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
numbers = module(images).detach() + 0.1 * torch.randn(500, 2)
data = workbench.Dataset.of((images, numbers), task="regression")
Dashboard(workbench.Session(workbench.Model.from_module(module, images[:1], data, "mine")))
"""


def test_a_notebook_of_ones_own_is_a_page_whose_network_is_judged_by_its_own_score(browser: Browser, tmp_path: Path):
    content = json.loads((ROOT / "notebooks" / "dashboard.ipynb").read_text())
    content["cells"][0]["source"] = OWN
    (tmp_path / "own.ipynb").write_text(json.dumps(content))
    page = browser.new_page()
    traffic = Traffic(page)
    with servers.serving("voila", tmp_path, ["--notebook", "own.ipynb"]) as voila:
        page.goto(voila.address)
        panel = PanelPage(page)
        panel.settle()
        plot = panel.root.locator(".cwb-plot")
        assert 0.7 < in_base_unit(panel.value("Variance explained")) < 1
        assert [line.split()[0] for line in panel.details("Variance explained")] == ["95", "on", "mean"]
        expect(plot).to_have_attribute("aria-label", re.compile("^Variance explained over"), timeout=PATIENCE)
        panel.root.get_by_label("Network").select_option(LENET)
        panel.settle()
        assert in_base_unit(panel.value("Accuracy")) > 0.98
        expect(panel.tile("Variance explained")).to_have_count(0)
        expect(plot).to_have_attribute("aria-label", re.compile("^Accuracy over"), timeout=PATIENCE)
        assert traffic.errors == []
        page.close()


BENCHMARK = """
from widgets import KernelBenchmark
name = "<img src=x onerror='harmed=1'>"
times = {"F.linear": 4e-3, name: 5e-4}
row = {"kernel": "gemv_lowbit", "case": name, "threads": 1, "seconds": 1e-3, "opponents": times, "limit_share": 0.5}
KernelBenchmark({"machine": {"processor": name}, "rows": [row, {**row, "threads": 2}]})
"""


@pytest.mark.parametrize("front_end", ["lab"], indirect=True)
def test_the_kernel_benchmark_is_drawn_with_a_label_and_a_table(front_end: FrontEnd, browser: Browser):
    page = browser.new_page()
    traffic = Traffic(page)
    front_end.open(page, front_end.notebook("kernels.ipynb", BENCHMARK))
    root = page.get_by_role("group", name="Kernel benchmark")
    expect(root.get_by_role("img")).to_have_count(2)
    root.get_by_label("Threads", exact=True).select_option("2")
    line = root.get_by_role("img")
    expect(line).to_have_accessible_name(re.compile("2 threads.*4.00× faster than F.linear.*2.00× slower than <img"))
    even, faster, slower = (
        line.locator(one).bounding_box()["x"] for one in (".cwb-even", ".cwb-mark >> nth=0", ".cwb-mark >> nth=1")
    )
    assert slower < even < faster
    root.get_by_text("This case as a table").click()
    cells = [plain(one) for one in root.locator("tbody td").all_inner_texts()]
    assert cells == ["2", "1.00 ms", "4.00×", "4.00 ms", "0.500×", "500 µs", "50 %"]
    assert page.evaluate("() => window.harmed") is None
    assert root.locator("img, script").count() == 0
    assert traffic.left_the_machine() == []
    page.close()

"""Device files: what ships is complete and consistent, and a wrong file gets a sentence that names file and field."""

import math
from pathlib import Path

import pytest

from workbench.devices.device import FOLDER, Device
from workbench.errors import DeviceError

CHIP = (FOLDER / "horowitz-45nm.toml").read_text()
BOARD = (FOLDER / "cortex-m4-l4r5.toml").read_text()
BOARDS = ("cortex-m33-u575", "cortex-m4-l4r5", "cortex-m7-h7a3")


def test_every_device_loads_under_its_files_name() -> None:
    assert Device.names() == sorted([*BOARDS, "horowitz-45nm"])
    for name in Device.names():
        device = Device.load(name)
        assert device.name == name
        assert (device.components is None) == bool(device.measured)


def test_an_unknown_device_is_named_beside_the_known_ones() -> None:
    for name in ("tpu", "../horowitz-45nm", ""):
        with pytest.raises(DeviceError, match=r"no device .*known ones are: cortex-m33-u575, .*horowitz-45nm"):
            Device.load(name)


def test_published_prices_of_the_chip_in_joules() -> None:
    prices = Device.load("horowitz-45nm").components
    assert prices is not None
    assert prices.multiply["float32"].value == pytest.approx(3.7e-12)
    assert prices.add["int8"].value == pytest.approx(0.03e-12)
    assert [one.capacity for one in prices.sram] == [8 * 1024, 32 * 1024, 1024 * 1024]
    assert [one.access.value * 64 for one in prices.sram] == pytest.approx([10e-12, 20e-12, 100e-12])
    assert [end * 64 for end in (prices.dram.low, prices.dram.high)] == pytest.approx([1300e-12, 2600e-12])
    assert prices.dram.value == pytest.approx((prices.dram.low + prices.dram.high) / 2)


def test_the_scaling_laws_hold_between_the_published_widths() -> None:
    """Multipliers with the product of the widths, adders linearly: within a fifth of every published narrower one."""
    prices = Device.load("horowitz-45nm").components
    assert prices is not None
    multiply = {name: one.value for name, one in prices.multiply.items()}
    add = {name: one.value for name, one in prices.add.items()}
    assert multiply["float32"] * (16 * 16) / (32 * 32) == pytest.approx(multiply["float16"], rel=0.2)
    assert multiply["int32"] * (8 * 8) / (32 * 32) == pytest.approx(multiply["int8"], rel=0.2)
    assert add["float32"] * 16 / 32 == pytest.approx(add["float16"], rel=0.2)
    assert add["int32"] * 8 / 32 == pytest.approx(add["int8"], rel=0.2)


def test_the_smallest_memory_that_holds_it() -> None:
    prices = Device.load("horowitz-45nm").components
    assert prices is not None
    sizes = (1, 8192, 8193, 32768, 32769, 2**20, 2**20 + 1)
    assert [prices.memory(size).capacity for size in sizes] == [8192, 8192, 32768, 32768, 2**20, 2**20, 2**20]


# MACs of the four networks of MLPerf Tiny, layer by layer (output positions x outputs x inputs x kernel).
RESNET_8 = [
    32 * 32 * 16 * 3 * 9, 2 * 32 * 32 * 16 * 16 * 9,
    16 * 16 * 32 * 16 * 9, 16 * 16 * 32 * 32 * 9, 16 * 16 * 32 * 16,
    8 * 8 * 64 * 32 * 9, 8 * 8 * 64 * 64 * 9, 8 * 8 * 64 * 32, 10 * 64,
]  # fmt: skip
SEPARABLE = [  # inputs, outputs, height and width of the depthwise convolution's output
    (8, 16, 48), (16, 32, 24), (32, 32, 24), (32, 64, 12), (64, 64, 12), (64, 128, 6),
    *[(128, 128, 6)] * 5, (128, 256, 3), (256, 256, 3),
]  # fmt: skip
MOBILENET = [48 * 48 * 8 * 3 * 9, *(size**2 * (a * 9 + a * b) for a, b, size in SEPARABLE), 2 * 256]
DS_CNN = [25 * 5 * 64 * 10 * 4, 4 * 25 * 5 * (64 * 9 + 64 * 64), 12 * 64]
AUTOENCODER = [640 * 128, 3 * 128 * 128, 128 * 8, 8 * 128, 3 * 128 * 128, 128 * 640]


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_was_measured_on_networks_of_these_macs(name: str) -> None:
    runs = Device.load(name).measured
    assert [run.macs.value for run in runs] == [sum(one) for one in (RESNET_8, MOBILENET, DS_CNN, AUTOENCODER)]
    assert sum(RESNET_8) == pytest.approx(12.5e6, rel=1e-3)


@pytest.mark.parametrize("name", BOARDS)
def test_a_boards_price_spans_all_its_runs(name: str) -> None:
    device = Device.load(name)
    price = device.joules_per_mac
    each = [run.energy.value / run.macs.value for run in device.measured]
    assert price.value == each[0]
    assert price.low <= min(each) <= max(each) <= price.high
    assert price.high < 2 * price.low


def test_a_board_computes_every_width_as_8_bits() -> None:
    board, chip = Device.load("cortex-m4-l4r5"), Device.load("horowitz-45nm")
    assert [board.gains.width(bits) for bits in (1, 8, 32)] == [8, 8, 8]
    assert [chip.gains.width(bits) for bits in (1, 3, 8, 9, 32)] == [1, 3, 8, 16, 32]
    assert not board.gains.zeros
    assert chip.gains.zeros


@pytest.mark.parametrize(
    ("text", "old", "new", "sentence"),
    [
        (CHIP, "[gains]", "[gains", r"is not valid TOML"),
        (CHIP, 'title = "', 'titel = "', r": title is missing"),
        (CHIP, 'title = "', 'colour = "red"\ntitle = "', r": colour is not a known field"),
        (CHIP, 'title = "45 nm accelerator (Horowitz 2014)"', 'title = " "', r": title must be a text"),
        (CHIP, "[1, 2, 3, 4, 5, 6, 7, 8, 16, 32]", "[8, 4]", r": gains\.widths must be"),
        (CHIP, "[1, 2, 3, 4, 5, 6, 7, 8, 16, 32]", "[]", r": gains\.widths must be"),
        (CHIP, "zeros = true", 'zeros = "yes"', r": gains\.zeros must be true or false"),
        (CHIP, "value = 3.7", 'value = "3.7"', r": components\.multiply\.float32\.value must be a number above 0"),
        (CHIP, "value = 3.7", "value = nan", r": components\.multiply\.float32\.value must be a number above 0"),
        (CHIP, "value = 3.7", "value = -3.7", r": components\.multiply\.float32\.value must be a number above 0"),
        (CHIP, "value = 3.7", "value = true", r": components\.multiply\.float32\.value must be a number above 0"),
        (CHIP, 'unit = "pJ", source = "Horowitz, ISSCC 2014, figure 1.1.9: FP add, 32 bit"', 'unit = "pJ"',
         r": components\.add\.float32\.source is missing"),
        (CHIP, 'unit = "byte"', 'unit = "kB"', r": components\.sram\[0\]\.capacity\.unit must be one of byte"),
        (CHIP, "value = 32768", "value = 4096", r": components\.sram\[1\]\.capacity must be above"),
        (CHIP, "value = 1950", "value = 2700", r": components\.dram\.access\.value must lie between"),
        (CHIP, "[components.dram]", "[other]", r"is missing|is not a known field"),
        (BOARD, "value = 12501632", "value = 0", r": measured\[0\]\.macs\.value must be a number above 0"),
        (BOARD, "[[measured]]", "[[components]]", r": components must be a table"),
        (BOARD, "[gains]", "measured = []\n[gains]\n", r"is not valid TOML"),
    ],
)  # fmt: skip
def test_a_wrong_file_names_itself_and_the_field(tmp_path: Path, text: str, old: str, new: str, sentence: str) -> None:
    assert old in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new))
    with pytest.raises(DeviceError, match=rf"^Device file mine\.toml.*{sentence}"):
        Device.read(path)


def test_a_file_must_price_the_device_in_exactly_one_way(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    for text in (BOARD[: BOARD.index("[[measured]]")], CHIP + BOARD[BOARD.index("[[measured]]") :]):
        path.write_text(text)
        with pytest.raises(DeviceError, match=r"mine\.toml: components or measured must be given, and only one"):
            Device.read(path)


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"^Device file none\.toml cannot be read"):
        Device.read(tmp_path / "none.toml")


def test_one_s_own_device_is_read_from_any_folder(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(CHIP.replace("value = 3.7", "value = 7.4"))
    device = Device.read(path)
    assert device.name == "mine"
    assert device.components is not None
    assert math.isclose(device.components.multiply["float32"].value, 7.4e-12)

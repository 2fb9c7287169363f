"""The bar of a long cell: it appears once, follows the share, and says how long it took."""

import widgets.dashboards.progress as progress


def test_it_appears_at_the_first_call_and_follows_the_share(monkeypatch):
    shown, clock = [], iter([0.0, 1.0, 1.01, 4.0])
    monkeypatch.setattr(progress, "display", shown.append)
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    bar = progress.Progress("20 recipes")
    bar(0.0)
    bar(0.25)
    (row,) = shown
    line, words = row.children
    assert (line.value, line.description) == (0.25, "20 recipes")
    assert words.value == "25%, 3\u00a0s left"
    bar(0.26)  # a hundredth of a second later
    assert line.value == 0.25
    bar(1.0)
    assert line.value == 1.0 and words.value == "done in 4 s"

"""The panel widget: what a page may write, and what its script may do."""

import gzip

import pytest

from widgets.draw.panel import Panel
from widgets.draw.plotly_bundle import compressed_bundle


@pytest.fixture
def heard():
    return []


@pytest.fixture
def panel(heard):
    panel = Panel(heard.append, heard.append, catalogue={"models": []}, state={"seq": 0})
    yield panel
    panel.close()


@pytest.fixture
def sent(panel, monkeypatch):
    """What goes out to the page, in order: (content, buffers) of custom messages, or the names of traits."""
    out = []
    monkeypatch.setattr(panel, "send", lambda content, buffers=None: out.append((content, buffers)))
    monkeypatch.setattr(panel, "send_state", lambda key=None: out.append(key))
    return out


def test_a_page_is_heard_when_it_moves(panel, heard):
    panel.set_state({"move": {"seq": 1}})
    assert heard == [{"seq": 1}]


def test_a_page_cannot_write_anything_else(panel, heard):
    before = panel.get_state()
    panel.set_state({"state": {"seq": 99}, "catalogue": {}, "_esm": "alert(1)", "layout": None, "x": 1})
    assert panel.get_state() == before
    assert heard == []


def test_a_page_that_was_drawn_late_is_sent_everything_again(panel, sent):
    panel._handle_custom_msg({"kind": "hello"}, [])
    assert sent == ["state"]


def test_plotly_is_sent_to_a_page_that_cannot_fetch_it(panel, sent):
    panel._handle_custom_msg({"kind": "plotly"}, [])
    ((content, buffers),) = sent
    assert content == {"kind": "plotly"}
    assert b"plotly.js" in gzip.decompress(buffers[0])[:200]


def test_what_a_page_looks_at_is_handed_on(panel, sent, heard):
    for content in ({"kind": "hello"}, {"kind": "reach", "axis": "bits", "layer": None}):
        panel._handle_custom_msg(content, [])
    assert heard == [{"kind": "hello"}, {"kind": "reach", "axis": "bits", "layer": None}]


@pytest.mark.parametrize("content", [None, 5, [], {}, {"kind": ["hello"]}, "hello"])
def test_other_messages_are_ignored(panel, sent, heard, content):
    panel._handle_custom_msg(content, [])
    assert sent == heard == []


def test_the_bundle_is_compressed_once():
    assert compressed_bundle() is compressed_bundle()
    assert len(compressed_bundle()) < 2_000_000

"""The network's graph, and on request its ONNX files, the original and the compressed one, for Netron."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from widgets.dashboards import exports
from widgets.dashboards.picture import Picture
from widgets.views import numbers
from widgets.views.graph import graph
from widgets.views.recipe import describe
from workbench.engine.looking import Moment
from workbench.errors import RecipeError, Stopped, WorkbenchError
from workbench.exporters.onnx import encode
from workbench.network.diagram import diagram
from workbench.network.state import State

_FIELDS = {"colour": str, "upright": bool, "netron": bool, "measurement": int}


def picture(question: Mapping[str, Any], moment: Moment) -> Picture:
    """question: colour, a figure's key; upright, whether results go down; netron, whether files are wanted.

    measurement: a number by which the page tells one measured latency from the next.
    """
    if set(question) != set(_FIELDS) or not all(type(question[name]) is kind for name, kind in _FIELDS.items()):
        raise RecipeError("The question of the graph must hold colour, upright, netron and measurement.")
    content = graph(diagram(moment.compressed.model), moment.report, question["colour"], question["upright"])
    return Picture({**content, "netron": _netron(moment) if question["netron"] else None})


def _netron(moment: Moment) -> dict[str, Any]:
    """error: a sentence, or "". title: of the settings. files: [{label, address, size}], below the server's address."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", moment.compressed.model.name)
    states = {"original": State.of(moment.compressed.original), "compressed": moment.compressed}
    try:
        files = {}
        for label, state in states.items():
            if moment.cancelled():
                raise Stopped
            files[f"{name}-{label}.onnx"] = encode(state)
        tokens = exports.put(files)
    except WorkbenchError as error:
        return {"error": str(error), "title": "", "files": []}
    addresses = [f"workbench/netron/{token}/" for token in tokens.values()]
    return {
        "error": "",
        "title": describe(moment.report.recipe),
        "files": [
            {"label": label, "address": address, "size": numbers.bytes_(len(content))}
            for label, address, content in zip(states, addresses, files.values(), strict=True)
        ],
    }

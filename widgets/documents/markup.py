"""HTML and SVG as text: every string that comes from elsewhere is escaped here, on its way in."""

from __future__ import annotations

from html import escape
from typing import Any


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def tag(name: str, *children: str, **attributes: Any) -> Markup:
    """An element. Attributes: `class_` for "class", `stroke_width` for "stroke-width"; None leaves one out."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = "".join(child if isinstance(child, Markup) else escape(child, quote=False) for child in children)
    return Markup(f"<{name}{given}>{inner}</{name}>")


def joined(*parts: str) -> Markup:
    """Several elements one after another."""
    return Markup("".join(part if isinstance(part, Markup) else escape(part, quote=False) for part in parts))


def page(title: str, style: str, body: Markup, script: str = "") -> str:
    """A whole document that asks for nothing from anywhere: the browser itself is told to refuse it."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:" + (
        "; script-src 'unsafe-inline'" if script else ""
    )
    head = joined(
        Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup('<meta name="color-scheme" content="light dark">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">'),
        tag("title", title),
        Markup(f"<style>{style}</style>"),
    )
    running = Markup(f'<script type="module">{script}</script>') if script else Markup("")
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>{body}{running}</body></html>\n'

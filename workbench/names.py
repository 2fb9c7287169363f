"""Names that came from outside, as they are shown: one line, short, and nothing in it that a terminal obeys.

A name may hold anything: sequences that clear a screen or change its title, line ends, marks that turn the direction of
what follows, half of a surrogate pair, which no terminal can be sent.
"""

from __future__ import annotations

import re

LONGEST = 80  # characters of a name
_LONGEST_SENTENCE = 2000
_QUOTED = re.compile(rf"(?<!\w)(['\"])((?:(?!\1).){{{LONGEST + 1},}})\1(?!\w)")  # not from one apostrophe to another


def printable(name: str) -> str:
    """The name itself where it can be shown as it is; else with escapes, and without its middle."""
    return _shortened(_escaped(name), LONGEST)


NAME = f"1 to {LONGEST} characters that can be printed"


def is_name(given: object) -> bool:
    """Whether it is text of `NAME`, which is shown as it is."""
    return isinstance(given, str) and bool(given) and printable(given) == given


def sentence(text: str) -> str:
    """A sentence in which such names may stand; those in quotes are shortened, too."""
    text = _QUOTED.sub(lambda found: f"{found[1]}{_shortened(found[2], LONGEST)}{found[1]}", _escaped(text))
    return _shortened(text, _LONGEST_SENTENCE)


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most // 2]}…{text[len(text) - (most - most // 2 - 1) :]}"

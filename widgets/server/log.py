"""What the servers write to the terminal: addresses and names stand there that anybody may have sent."""

from __future__ import annotations

import logging

from workbench.names import sentence


class Printable(logging.Filter):
    """Lets every record pass, its lines such that a terminal obeys none of them. Named in the settings of both."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = _lines(record.getMessage()), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = _lines(logging.Formatter().formatException(record.exc_info))
        return True


def _lines(text: str) -> str:
    return "\n".join(sentence(line) for line in text.split("\n"))

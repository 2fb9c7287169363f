"""The moves of a page and their answers: a page numbers its own, the session numbers all."""

from __future__ import annotations

from workbench.engine.update import Update
from workbench.report.report import Report


class Moves:
    """seq: number of the newest move that the page has sent. made: the session's, of the newest one, whoever made it.
    last: what the session told last. report: the last that there was. Its owner's lock guards it.
    """

    def __init__(self) -> None:
        self.seq = self.made = 0
        self.last = Update(-1, False, "costs", None, 0.0)
        self.report: Report | None = None
        self._answered = 0
        self._asked: dict[int, int] = {}  # the session's number of a move -> the page's, until it is answered

    def newer(self, seq: int) -> bool:
        """Whether the page's move is, which counts from now on: else a later one, of any view, has overtaken it."""
        if seq <= self.seq:
            return False
        self.seq = seq
        return True

    def make(self, move: int) -> None:
        """The page's newest one has become this one of the session's."""
        self.made = move
        self._asked[move] = self.seq

    def keep(self) -> None:
        """The page's newest one changes nothing that is measured: what is known answers it."""
        if self.known:
            self._answered = self.seq

    def hear(self, update: Update) -> bool:
        """What the session tells of a move. Whether it says the same as the last one, more precisely."""
        narrower = update.move == self.last.move and update.stage == self.last.stage == "accuracy"
        self.last = update
        for move in [one for one in self._asked if one <= update.move]:
            self._answered = self._asked.pop(move)
        if update.report is not None:
            self.report = update.report
        return narrower

    @property
    def known(self) -> bool:
        """Whether something is known of the newest move."""
        return self.last.move >= self.made

    @property
    def answered(self) -> int:
        """Number of the page's move that `report` answers."""
        return self.seq if self.known else self._answered

    @property
    def fresh(self) -> bool:
        """Whether `report` is of the newest move."""
        return self.known and self.last.report is not None

    @property
    def error(self) -> str:
        """Why the newest move failed, if it did."""
        return (self.known and self.last.error) or ""

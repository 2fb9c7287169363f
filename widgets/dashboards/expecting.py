"""How long a training will take, told before it is begun."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from widgets.dashboards.part import Hear, Part
from widgets.views.training import expected
from workbench.engine.looking import Moment
from workbench.engine.training import expected_seconds


class Expecting(Part):
    """Hears {"kind": "expect"} and says {"kind": "expect", "digest", "text"}, of the newest recipe once it settled."""

    @property
    def hears(self) -> Mapping[str, Hear]:
        return {"expect": self._asked}

    def _asked(self, _: Mapping[str, Any]) -> None:
        def tried(moment: Moment) -> str:
            return expected(expected_seconds(moment.move.model, moment.move.recipe, cancelled=moment.cancelled))

        def tell(moment: Moment, found: str | None, error: str) -> None:
            digest = moment.move.recipe.digest
            self._send({"kind": "expect", "digest": digest, "text": found if found is not None else error}, [])

        self._session.look(f"expect {id(self)}", tried, tell)

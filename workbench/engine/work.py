"""The process of a training: `python -m workbench.engine.work FOLDER`, started by `workbench.engine.jobs`.

It says what it does in lines of JSON, whether or not anybody still listens, and ends with the best so far on SIGTERM.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from threading import Event
from typing import Any

from workbench.engine.jobs import ordered
from workbench.engine.priority import give_way
from workbench.engine.training import train
from workbench.errors import WorkbenchError


def main(folder: Path) -> None:
    """Do the job that `folder` holds, and remove it."""
    stopped = Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.set())
    give_way()
    try:
        model, recipe, store = ordered(folder)
        shutil.rmtree(folder, ignore_errors=True)
        train(
            model,
            recipe,
            store,
            progress=lambda title, found: _say({"title": title, "progress": asdict(found)}),
            cancelled=stopped.is_set,
        )
        _say({"done": True})
    except WorkbenchError as error:
        _say({"error": str(error)})
    except Exception as error:  # whoever listens is told in one sentence
        _say({"error": f"The training failed: {type(error).__name__}: {error}"})
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _say(what: dict[str, Any]) -> None:
    try:
        print(json.dumps(what), flush=True)
    except OSError:  # the page that asked for it is closed; the result is kept all the same
        sys.stdout = open("/dev/null", "w")  # noqa: PTH123, SIM115 (for as long as the process lives)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

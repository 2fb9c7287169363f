"""Where the notebooks and Jupyter settings lie, in a checkout and in an installed copy."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import widgets
from workbench.errors import WorkbenchError

_PACKAGE = Path(widgets.__file__).parent
CONFIG = _PACKAGE / "server" / "settings" / "config"
_SHARE = _PACKAGE / "server" / "settings" / "share"


def shipped_notebooks() -> Path:
    """The folder of notebooks: inside an installed package, beside the packages in a checkout."""
    for folder in (_PACKAGE / "notebooks", _PACKAGE.parent / "notebooks"):
        if (folder / "dashboard.ipynb").is_file():
            return folder
    raise WorkbenchError(
        f"The notebook dashboard.ipynb is missing from {_PACKAGE / 'notebooks'}; install the package again."
    )


def notebooks_to_edit() -> Path:
    """The checkout's own notebooks, or copies of an installed package's in ./notebooks; nothing is overwritten."""
    shipped = shipped_notebooks()
    if shipped.parent != _PACKAGE:
        return shipped
    folder = Path.cwd() / "notebooks"
    folder.mkdir(exist_ok=True)
    for source in shipped.glob("*.ipynb"):
        if not (folder / source.name).exists():
            shutil.copyfile(source, folder / source.name)
    return folder


def use_settings() -> None:
    """Let Jupyter find this project's configuration and page template, before anything a machine already has."""
    for variable, folder in (("JUPYTER_CONFIG_PATH", CONFIG), ("JUPYTER_PATH", _SHARE)):
        os.environ[variable] = os.pathsep.join(filter(None, (str(folder), os.environ.get(variable))))

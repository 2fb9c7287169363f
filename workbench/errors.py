"""The errors a user can meet: each carries one sentence that names the layer, the file or the field."""


class WorkbenchError(ValueError):
    """Base of every error that bad input causes; its text is one sentence fit for a page or a terminal."""


class ModelError(WorkbenchError):
    """A model that is unknown, or that cannot be traced, loaded or compressed."""


class BlankError(WorkbenchError):
    """What needs weights was asked of a network that is known by its shapes alone."""


class DataError(WorkbenchError):
    """Images or labels that are missing, damaged or of the wrong shape."""


class RecipeError(WorkbenchError):
    """A recipe whose steps, settings or layers do not fit."""


class FormatError(WorkbenchError):
    """A packed file that is damaged, too large, or of an unknown version."""


class DeviceError(WorkbenchError):
    """A device that is unknown, or whose file is incomplete."""


class Stopped(Exception):
    """Whoever asked for the work said, through its `cancelled`, that it is no longer wanted."""

"""Real reports of real networks: the pictures are tested on what they will be given."""

import workbench
from workbench.report.report import Report

IMAGES = 400


def assessed(model: workbench.Model, device: str = "horowitz-45nm", **sliders) -> Report:
    """The report of a recipe of sliders, its accuracy counted on a few images."""
    images = IMAGES if model.data else None
    recipe = workbench.Recipe.sliders(**sliders)
    return workbench.assess(workbench.compress(model, recipe), device, images)

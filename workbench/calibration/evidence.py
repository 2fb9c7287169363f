"""Evidence of one state of a network, worked out when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from workbench.cache import Cache, fingerprint
from workbench.calibration.answering import Answering
from workbench.calibration.correlations import correlations
from workbench.calibration.curvatures import curvatures
from workbench.calibration.final_responses import final_responses
from workbench.calibration.importances import first_order
from workbench.calibration.inbound import inbound
from workbench.calibration.inputs import measured_inputs
from workbench.calibration.inverse_hessians import inverse_hessian
from workbench.calibration.moments import moments, no_moments
from workbench.calibration.normalisations import normalisations
from workbench.calibration.propagation import propagated
from workbench.calibration.responses import responses
from workbench.calibration.resting import Resting
from workbench.calibration.second_moments import second_moments
from workbench.calibration.shifts import shifts
from workbench.data.split import Split
from workbench.errors import DataError
from workbench.evidence import Blocks, Channels, Constant, Evidence, Floats, Inputs, Joint
from workbench.network.branches import joints
from workbench.network.couplings import couplings
from workbench.network.geometry import uses
from workbench.network.state import State
from workbench.tasks import TASKS
from workbench.weights.form import Form

T = TypeVar("T")
_coupled: Cache[Channels] = Cache(ceiling=16 * 2**20)
_joints: Cache[tuple[Joint, ...]] = Cache(ceiling=16 * 2**20)
_kept: Cache[object] = Cache(ceiling=64 * 2**20)


class Calibration(Evidence):
    """Of `state`, on the calibration images of its model's data set."""

    def __init__(
        self,
        state: State,
        digest: str,
        cancelled: Callable[[], bool] = lambda: False,
        came: tuple[State, str] | None = None,
    ) -> None:
        """digest: of the model and the recipe that gave `state`, under which the evidence is kept.

        came: the network as it came, with its digest; `state` itself by default.
        """
        self._state, self._digest, self._cancelled = state, digest, cancelled
        self._came = came or (state, digest)
        self._answering: dict[int, Answering] = {}  # by how many of the calibration images

    @property
    def digest(self) -> str:
        return fingerprint(self._digest, self._came[1], self._split.digest)

    def inputs(self, layer: str) -> Inputs:
        return self._known("inputs", lambda: measured_inputs(self._state, self._split, self._cancelled))[layer]

    def importances(self, layer: str) -> Floats:
        return self._known(
            "importances", lambda: first_order(self._state, self.channels(), self._split, self._cancelled)
        )[layer]

    def curvatures(self, layer: str) -> Floats:
        return self._known("curvatures", lambda: curvatures(self._state, self._split, self._cancelled))[layer]

    def second_moments(self, layer: str) -> Floats:
        return self._known("second moments", lambda: second_moments(self._state, self._split, self._cancelled))[layer]

    def inverse_hessian(self, layer: str, blocks: Blocks, damping: float) -> tuple[Floats, ...]:
        found = self._state.model.layer(layer)
        return inverse_hessian(self._state, found, blocks, damping, self._split, self._cancelled)

    def correlations(self, layer: str) -> Floats:
        def work_out() -> Mapping[str, Floats]:
            return {layer: correlations(self._state, self._state.model.layer(layer), self._split, self._cancelled)}

        return self._known(f"correlations of {layer}", work_out)[layer]

    def inbound(self, layer: str) -> Floats:
        def work_out() -> Mapping[str, Floats]:
            return {layer: inbound(self._state, self._state.model.layer(layer), self._split, self._cancelled)}

        return self._known(f"inbound of {layer}", work_out)[layer]

    def moments(self, layer: str) -> Floats:
        def work_out() -> Mapping[str, Floats]:
            return {layer: moments(self._state, self._state.model.layer(layer), self._split, self._cancelled)}

        return self._known(f"moments of {layer}", work_out)[layer]

    def no_moments(self, layer: str) -> str | None:
        found = self._state.model.layer(layer)
        return no_moments(found, self._state.model.layout(found))

    def responses(self, layer: str) -> Floats:
        return self._known("responses", lambda: responses(self._state, self.channels(), self._split, self._cancelled))[
            layer
        ]

    def normalisations(self, layer: str) -> Mapping[str, Floats]:
        return self._known("normalisations", lambda: normalisations(self._state, self._split, self._cancelled))[layer]

    def shifts(self, layer: str) -> Mapping[str, Floats]:
        came, digest = self._came
        return self._known(f"shifts from {digest}", lambda: shifts(self._state, came, self._split, self._cancelled))[
            layer
        ]

    def original(self) -> Evidence:
        return Calibration(*self._came, self._cancelled)

    def weight(self, layer: str) -> NDArray[np.float32]:
        return self._state.forms[layer].compose()

    def labels(self) -> NDArray[np.int64]:
        data = self._state.model.data
        if data is not None and not TASKS[data.task].labelled:
            raise DataError(f"{data.name} has no labels of classes, which this method asks for.")
        return self._split.targets().numpy()

    def wrong(self, forms: Mapping[str, Form], zero: Collection[tuple[str, int]], images: int) -> float:
        if images not in self._answering:
            places = np.random.default_rng(0).permutation(len(self._split))[:images]
            self._answering[images] = Answering(self._state, self._split.some(places))
        return self._answering[images].wrong(forms, zero, self._cancelled)

    def propagated(self, layer: str, final: Mapping[str, Floats] | None = None) -> Floats:
        key = "propagated", self._digest, fingerprint(*final.items()) if final else ""
        found = _kept.get(key, lambda: propagated(self._state, self.channels(), final))
        return cast("Mapping[str, Floats]", found)[layer]

    def final_responses(self) -> Mapping[str, Floats]:
        return self._known("final responses", lambda: final_responses(self._state, self._split, self._cancelled))

    def thresholds(self) -> Mapping[str, str]:
        return self._state.model.thresholds

    def channels(self) -> Channels:
        return _coupled.get("channels", lambda: couplings(self._state.model), self._state.model)

    def joints(self) -> tuple[Joint, ...]:
        return _joints.get("joints", lambda: joints(self._state.model), self._state.model)

    def macs(self, layer: str | None = None) -> int:
        chosen = self._state.model.layers if layer is None else (self._state.model.layer(layer),)
        return sum(use.macs for one in chosen for use in uses(one, self._state.forms[one.name]))

    def beside(self, tensor: str) -> Floats:
        return self._state.model.rest[tensor].astype(np.float64)

    def constant(self, layer: str, inputs: Collection[int]) -> Constant:
        found = _kept.get(("resting", self._digest), lambda: Resting(self._state, self.channels()))
        return cast(Resting, found).constant(layer, inputs)

    def _known(self, kind: str, work_out: Callable[[], Mapping[str, T]]) -> Mapping[str, T]:
        """What was worked out for this state on its calibration images, once."""
        return cast("Mapping[str, T]", _kept.get((kind, self._digest, self._split.digest), work_out))

    @cached_property
    def _split(self) -> Split:
        data = self._state.model.data
        if data is None:
            raise DataError(f"{self._state.model.name} has no data set, so there are no images to calibrate on.")
        return data.split("calibration")

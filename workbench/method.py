"""What every method is: a frozen dataclass whose fields describe themselves, so that a slider is derived from them.

A method stands on one of three bases, by what it must see: `Layerwise` the weights alone, `Calibrated` evidence of the
network as it stands before the step, `Trained` images to train on.
"""

from __future__ import annotations

import dataclasses
import reprlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeVar

from numpy.typing import NDArray

from workbench.errors import BlankError, RecipeError
from workbench.evidence import Evidence, Layout
from workbench.shelf import Shelf
from workbench.weights.form import Form

if TYPE_CHECKING:
    from torch import Tensor, nn

    from workbench.network.state import State

T = TypeVar("T")
Tensors = NDArray[Any]
Mode = Literal["instant", "calibrated", "trained"]
AxisName = Literal["rank", "sparsity", "bits"]


@dataclass(frozen=True)
class Axis:
    """A global slider: one number that drives a field of whichever method is chosen for it.

    unit: in which a person reads the number; "%" for a share of 0..1. off: the number that leaves the weights as
    they are. direction: 1 where a larger one compresses more, -1 where a smaller one does. method: the default one.
    """

    name: AxisName
    label: str
    help: str
    unit: Literal["%", "bits"]
    off: float
    direction: Literal[1, -1]
    method: str


# In the order in which their steps are taken, unless the recipe says otherwise.
AXES: Mapping[AxisName, Axis] = MappingProxyType(
    {
        axis.name: axis
        for axis in (
            Axis(
                name="rank",
                label="Rank",
                help="How much of each weight matrix is kept when it is split into two thinner ones.",
                unit="%",
                off=1.0,
                direction=-1,
                method="factorize.svd",
            ),
            Axis(
                name="sparsity",
                label="Sparsity",
                help="How many weights become exactly zero. Zeros need not be stored or multiplied.",
                unit="%",
                off=0.0,
                direction=1,
                method="prune.magnitude",
            ),
            Axis(
                name="bits",
                label="Bits",
                help="How wide one stored weight is. Fewer bits, fewer different values.",
                unit="bits",
                off=32,
                direction=-1,
                method="quantize.uniform",
            ),
        )
    }
)


@dataclass(frozen=True)
class Setting:
    """Range, unit and help of one field of a method. `axis` names the global slider that drives it, if one does."""

    help: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    axis: AxisName | None = None

    def check(self, owner: str, name: str, value: Any) -> Any:
        """`value` as the field stores it. Raises RecipeError naming the field where it is out of range."""
        shown = reprlib.repr(value)
        if self.choices:
            if not isinstance(value, Hashable) or value not in self.choices:
                raise RecipeError(f"{owner}: {name} must be one of {', '.join(self.choices)}, not {shown}.")
            return value
        number = isinstance(value, Real) and not isinstance(value, bool)  # numpy's numbers are, too
        if not number or not self.low <= value <= self.high:
            raise RecipeError(f"{owner}: {name} must be a number from {self.low:g} to {self.high:g}, not {shown}.")
        if isinstance(self.step, int):
            if value != int(value):
                raise RecipeError(f"{owner}: {name} must be a whole number, not {value!r}.")
            return int(value)
        return float(value)


def setting(default: Any, help: str, **facts: Any) -> Any:
    """A dataclass field that carries its `Setting`."""
    return field(default=default, metadata={"setting": Setting(help, **facts)})


@dataclass(frozen=True)
class Method(ABC):
    """One compression method. Subclasses are frozen dataclasses, one a file in `workbench/methods/<family>`.

    catalogue: its number(s) in the catalogue of methods (docs/methods.md). paper: where it was published. mode: what it
    needs to be applied, which follows from its base. faithful: whether applying it is all that the paper asks, or a
    preview of a trained method. outlines: whether counts and sizes that it leads to follow from shapes and settings, so
    that it can be applied to a blank network (see `Layerwise.outline`). replaces: whether it gives another network,
    with layers of its own, so that it is for no layers and the steps after it are for the other's.
    """

    catalogue: ClassVar[tuple[str, ...]]
    title: ClassVar[str]
    paper: ClassVar[str]
    mode: ClassVar[Mode]
    faithful: ClassVar[bool]
    outlines: ClassVar[bool] = False
    replaces: ClassVar[bool] = False
    name: ClassVar[str]  # its path on the shelf: "prune.magnitude"

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.name = cls.__module__.removeprefix("workbench.methods.").replace("_", "-")

    def __post_init__(self) -> None:
        for name, one in self.settings().items():
            object.__setattr__(self, name, one.check(self.name, name, getattr(self, name)))

    @classmethod
    def settings(cls) -> dict[str, Setting]:
        """The method's fields, in order, with what a control needs to know of each."""
        return {one.name: one.metadata["setting"] for one in dataclasses.fields(cls)}

    @classmethod
    def axis(cls) -> tuple[str, Setting] | None:
        """The field that a global slider drives, with its setting."""
        return next(((name, one) for name, one in cls.settings().items() if one.axis), None)

    def refusal(self, form: Form, layout: Layout) -> str | None:
        """Why the method makes no sense for such a layer and form, as the end of a sentence; None where it does."""
        return None

    def remark(self, before: Form, after: Form) -> str | None:
        """A sentence on what it made of one layer that whoever looks at the result should know, if there is one."""
        return None

    def exemption(self, layout: Layout) -> str | None:
        """Why a step for every layer spares such a layer, as the end of a sentence; a step that names it does not."""
        return None


class Layerwise(Method):
    """A method that sees the weights alone: instant, without data."""

    mode = "instant"

    def settle(self, forms: Mapping[str, Form]) -> dict[str, Hashable]:
        """What a global criterion decides for each of `forms` (layer name -> form), ranked across all of them.

        With that decision a form is compressed on its own, so that it is done again only where the decision changed.
        Layers with settings of their own are ranked along, and what is decided of them is not taken: what they are
        given moves no other layer.
        """
        return dict.fromkeys(forms)

    @abstractmethod
    def compress(self, form: Form, decision: Hashable) -> Form:
        """The new form of a layer; `decision` is what `settle` said about it. `form` itself where nothing changes.

        It is asked whether it is still wanted before each layer; one that takes long in rounds may be between two of
        them as well, by `workbench.errors.still_wanted`.
        """

    def outline(self, form: Form) -> Form:
        """What becomes of a layer whose weights are not known (`workbench.weights.blank`): shapes, counts, levels."""
        raise BlankError(f"{self.title} needs weights, and those of this network are not known.")

    def apply(self, forms: Mapping[str, Form]) -> dict[str, Form]:
        """New forms for all of `forms` together."""
        return {name: self.compress(forms[name], decision) for name, decision in self.settle(forms).items()}


class Calibrated(Method):
    """A method that asks for evidence of the network as it stands before the step.

    images: whether that evidence comes from calibration images; a method that asks for the network's structure alone
    does without, and is instant.
    """

    images: ClassVar[bool] = True

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.mode = "calibrated" if cls.images else "instant"

    @abstractmethod
    def settle(self, forms: Mapping[str, Form], evidence: Evidence, own: Collection[str] = ()) -> dict[str, Hashable]:
        """What is decided for each of `forms` (layer name -> form), as of a `Layerwise` method.

        own: those of them that have settings of their own: they are ranked along, and what would become of them must
        leave no trace in the others.
        """

    def compress(self, form: Form, decision: Hashable) -> Form:
        """The new form of a layer; `decision` is what `settle` said about it. `form` itself where nothing changes."""
        return form

    def spared(self, forms: Mapping[str, Form], evidence: Evidence) -> Mapping[str, str]:
        """Layers that the evidence says are to be left alone, and why, as the end of a sentence."""
        return {}

    def beside(self, rest: Mapping[str, Tensors], decisions: Mapping[str, Hashable]) -> Mapping[str, Tensors]:
        """The tensors beside the layers' weights that change (biases, batch norm), by name, of those in `rest`."""
        return {}

    def said(self, decision: Hashable) -> str | None:
        """A sentence on what was decided for a layer that whoever looks at the result should know, if there is one."""
        return None


@dataclass(frozen=True)
class Trained(Method):
    """A method that trains. Its result is kept in the Store; until there is one, another method may stand in for it.

    With alpha above 0 the network as it came, before every step, teaches whatever the method trains (`Teaching`).

    boxes: what it does in turn, again and again, by the names that it tells its course (`Course.enter`).
    """

    boxes: ClassVar[tuple[str, ...]] = ()

    mode = "trained"
    faithful = True

    seed: int = setting(0, "Seed of everything random in the training.", low=0, high=2**31 - 1, step=1)
    alpha: float = setting(
        0.0,
        "Distillation: weight of what the original network answers beside the labels.",
        low=0.0,
        high=1.0,
        step=0.05,
    )
    temperature: float = setting(
        4.0, "Distillation: how much the original's probabilities are softened.", low=1.0, high=20.0, step=0.5
    )

    def reached(self, count: int) -> Trained | None:
        """The method whose result this one gives as number `count`, from 1; None where that is on the way only."""
        return None

    @abstractmethod
    def stand_in(self) -> Layerwise | Calibrated | None:
        """What is shown while this has not been trained: a preview. None where the network stays as it is till then."""

    @abstractmethod
    def train(self, state: State, layers: tuple[str, ...], course: Course) -> Iterator[State]:
        """Train from `state` on and give states that are better and better; the last one is the result.

        layers: those that the step is for. Every state that is given is what the step promises (so sparse, so many
        bits): where the course is cancelled, the last one is kept.
        """


@dataclass(frozen=True)
class Progress:
    """How far a training is. share: of all its work, 0..1. loss: mean over the last epoch. score: on validation images.

    left: seconds that the rest will take, at the speed so far. box: which of the method's boxes it is in. given: how
    many states it has given, each of which is kept (`Trained.reached`).
    """

    share: float
    loss: float
    score: float
    left: float
    box: str = ""
    given: int = 0


@dataclass(frozen=True)
class TrainingStep:
    """A step that the optimiser has taken. number: from 0. count: of all steps.

    rate: what it moves a weight by, in the long run, for a gradient of 1 that stays; of AdamW, for any that stays.
    """

    number: int
    count: int
    rate: float


@dataclass(frozen=True)
class Teaching:
    """Another network's answers, which are learned beside the labels (Hinton, Vinyals, Dean 2015, section 2).

    The loss becomes (1 − alpha) · that of the labels + alpha · `Task.soft_loss`. teacher: in evaluation mode, of the
    same inputs and classes.
    """

    teacher: nn.Module
    alpha: float
    temperature: float


class Course(Protocol):
    """What a trained method trains with; it never knows the loop behind it."""

    def fit(
        self,
        module: nn.Module,
        *,
        epochs: int,
        learning_rate: float,
        seed: int,
        images: int | None = None,
        share: tuple[float, float] = (0.0, 1.0),
        loss_of: Callable[[nn.Module, Tensor, Tensor], Tensor] | None = None,
        teaching: Teaching | None = None,
        weight_decay: float = 1e-4,
        dropout: Mapping[str, float] = ...,
        standout: float = 0.0,
        depth: float = 1.0,
        before_step: Callable[[], None] = ...,
        after_step: Callable[[TrainingStep], None] = ...,
        optimiser: Literal["adamw", "sgd"] = "adamw",
        last: bool = False,
    ) -> None:
        """Train `module` in place; at the end it is in evaluation mode and at its best epoch on validation images.

        last: end at the last epoch instead, where what the training adds to the loss matters as much as answers do.
        images: how many of the training images, drawn by the seed; all by default, or where there are fewer. share:
        which part of the whole course this is, for its progress. loss_of: of (module, inputs, labels), the task's by
        default. teaching: who teaches beside the labels; by default the original network, as far as the method's alpha
        says, and nobody where the loss is another. weight_decay: how much of a weight goes for a learning rate of 1, in
        each step. dropout: layer -> share of what it gives that is zeroed in training. standout: how much less likely
        that is the more a unit is excited (Ba and Frey 2013). depth: how likely the last residual block is to be kept
        in a batch. before_step: called when the gradients are there and before the optimiser uses them. after_step:
        called when the optimiser has changed the weights: where masks are kept.
        optimiser: AdamW, or stochastic gradient descent with Nesterov's momentum, which a penalty on the weights is in
        step with. Ends early, with the best so far, where the course is cancelled.
        """
        ...

    def images(self, count: int, seed: int) -> tuple[Tensor, Tensor]:
        """So many of the training images, drawn by the seed, or all where there are fewer: as a network takes them, and
        what is to be answered."""
        ...

    def each(self, rounds: Sequence[T]) -> Iterator[T]:
        """One after another of what takes long beside `fit`.

        Raises Stopped between two of them where the course is cancelled. Where it is only tried out how long a training
        takes, there are fewer.
        """
        ...

    def evidence(self, state: State) -> Evidence:
        """Of a state on the way, on the calibration images."""
        ...

    def score(self, network: State | nn.Module) -> float:
        """Of a state on the way, or of a module that computes as one does, on the validation images: what its task
        calls score, 0..1."""
        ...

    def enter(self, box: str) -> None:
        """Tell which of the method's boxes begins."""
        ...

    def note(self, text: str) -> None:
        """Keep a sentence on the training for whoever looks at its result."""
        ...

    def start(self, state: State) -> State | None:
        """The network of the state as its training began; None where nobody knows, or its layers are others by now."""
        ...

    def network(self, architecture: str, name: str, seed: int) -> State:
        """An untrained network of the shelf for the same images, its weights drawn by the seed.

        Raises ModelError where the shelf has none of that name, or it takes other inputs than the images.
        """
        ...


def mode_of(facts: Mapping[str, Any]) -> Mode:
    """The mode of a method whose file says this of it (`Shelf.facts`)."""
    if facts.get("base") == "Trained":
        return "trained"
    return "calibrated" if facts.get("base") == "Calibrated" and facts.get("images", True) else "instant"


METHODS: Shelf[Method] = Shelf("workbench.methods", Method)

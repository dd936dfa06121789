"""The vocabulary of the suite: what a run is, and the recipe that says how it is carried out.

A *run* is one network trained (or converted) once by one method, then measured. Standard library only,
so that planning a sweep costs milliseconds.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeGuard, get_args

Scale = Literal["paper", "short", "workstation", "laptop", "smoke"]
SCALES: tuple[Scale, ...] = get_args(Scale)
OF_WHOLE_SETS: tuple[Scale, ...] = ("paper", "short")
"""Scales at which a part of a data set is refused."""

Augmentation = Literal["none", "crop", "crop-flip", "crop-flip-cutout", "autoaugment-cutout", "resized-crop-flip"]
MAX_SEED = 2**32 - 1
"""torch takes 64 bits, and seeds of epochs and processes are made of a run's by multiplication."""

Optimizer = Literal["sgd", "adam", "amsgrad", "adamw"]
Start = Literal["constant", "first-gradient"]
MEASURED_START: Start = "first-gradient"
"""What a variant writes in place of a threshold: `dsr-if@threshold=first-gradient`."""
Precision = Literal["float32", "bfloat16"]
PixelValues = Literal["normalised", "raw"]
Decayed = Literal["all", "weights"]
Loss = Literal["cross-entropy", "squared-error", "tet", "tet-onehot"]
LOSSES: tuple[Loss, ...] = get_args(Loss)
"""What training lowers, by name; `benchmarks.training.losses` has their equations."""
OF_EVERY_STEP: tuple[Loss, ...] = ("tet", "tet-onehot")
"""Losses that need the output of every step."""
Parameter = float | bool | str
OF_RECIPE = (
    "batch_size",
    "epochs",
    "label_smoothing",
    "learning_rate",
    "loss",
    "loss_share",
    "precision",
    "trained_steps",
)
"""Fields of a recipe that a variant may change; its other changes are parameters of the method's neuron."""


class BadInput(ValueError):
    """A request that cannot be carried out; its text is one line: what, where, what is allowed."""


LONGEST_CAUSE, LONGEST_VALUE = 500, 80
"""Characters that a message shows of an error of somebody else's code, and of a value from a file."""
MOST_NAMED = 10
"""Methods or networks that a message names."""


def one_line(error: BaseException) -> str:
    """What an error says, in one line that a terminal prints as it stands; its kind where it says nothing."""
    return _cut(_printable(" ".join(str(error).split())), LONGEST_CAUSE) or type(error).__name__


def shown(value: object, quoted: bool = True) -> str:
    """A value from a file as a message shows it: in one line, and not all of a long one."""
    text = repr(value) if quoted else str(value)
    return _cut(_printable(text), LONGEST_VALUE)


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}..."


@dataclass(frozen=True, order=True)
class Run:
    """One network, one method, one seed: the unit that is trained, measured and tabulated.

    `method` may be a variant, `dsr-if@alpha=1@epochs=4`: the method with some parameters of its neuron, or of its
    recipe (`OF_RECIPE`), changed.
    """

    dataset: str
    network: str
    method: str
    timesteps: int
    seed: int
    scale: Scale

    def __str__(self) -> str:
        return f"{self.method} T={self.timesteps} seed {self.seed}, {self.network} on {self.dataset} ({self.scale})"


@dataclass(frozen=True)
class Recipe:
    """Every number that shapes a run's result; part of the run's key.

    `optimizer`: SGD with `momentum`, Adam, Adam with AMSGrad's bound, or AdamW, whose weight decay is not part of the
    gradient. `learning_rate` follows half a cosine, epoch by epoch, after a linear warm-up of `warmup_iterations`. With
    a `warmup_share` it changes every iteration instead: it rises linearly over that share of all iterations, then falls
    to zero over the rest.
    `half_period`: epochs in which the cosine falls to zero, to rise again in as many, and so on (None: all epochs).
    `drops`: shares of the epochs after which the rate is multiplied by `drop`, in place of the cosine. `linear_rate`:
    what the rate of fully connected layers is multiplied by. `decayed`: what `weight_decay` acts on: all parameters, or
    only the weights of convolutions and fully connected layers.
    `train_images` and `test_images` limit a split (None: all of it); `validation_images` are held out of the
    training split, after the ones trained on. The test split is evaluated after every epoch, or, without
    `test_every_epoch`, once, after the last. `label_smoothing`: share of the target that is spread over all classes in
    training. `loss`: what training lowers; the losses that a row reports of the test and validation splits are
    cross-entropy for every method. `loss_share`: the share of a loss of every step that is a squared distance.
    `trained_steps`: behind how many of the T steps, drawn for every batch, a method that trains step by step goes
    backward (None: all). `neuron` and `norm` are keyword arguments of the method's parts, `conversion` what
    turns a parent's weights into this network's.
    `start`: whether thresholds start from `neuron`'s (or the parent's activations), or where the first batch's gradient
    says (`benchmarks.training.thresholds`).
    `precision` is that of the operands of convolutions and fully connected layers while training: bfloat16 rounds them
    (`dsr.precision`). All else, and every reported accuracy, is float32.
    `pixels`: whether they are normalised by the data set's mean and deviation, or as they are, in [0, 1].
    `classes` and `image_size` are of a set of image files: how many classes, and the edge of the squares cut from
    images (None: as the set has it).
    `parent` names the method whose trained weights the run starts from. `code` is the hash of the source of a method
    from outside this repository. `revision` is raised, in the recipe, by a commit that changes what code of this
    repository makes of the recipe: results of older code then count as missing. `sources` says where the numbers come
    from; it alone does not enter the key.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup_iterations: int = 400
    augmentation: Augmentation = "crop-flip"
    train_images: int | None = None
    validation_images: int = 0
    test_images: int | None = None
    neuron: Mapping[str, Parameter] = field(default_factory=dict)
    norm: Mapping[str, float] = field(default_factory=dict)
    conversion: Mapping[str, float] = field(default_factory=dict)
    parent: str | None = None
    precision: Precision = "float32"
    optimizer: Optimizer = "sgd"
    classes: int | None = None
    image_size: int | None = None
    revision: int = 1
    code: str | None = None
    start: Start = "constant"
    warmup_share: float | None = None
    test_every_epoch: bool = True
    label_smoothing: float = 0.0
    loss: Loss = "cross-entropy"
    half_period: int | None = None
    drops: tuple[float, ...] = ()
    drop: float = 0.1
    linear_rate: float = 1.0
    pixels: PixelValues = "normalised"
    decayed: Decayed = "all"
    loss_share: float = 0.05
    trained_steps: int | None = None
    sources: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "drops", tuple(self.drops))  # a list where the recipe was read from JSON


def variant(method: str) -> tuple[str, dict[str, Parameter]]:
    """`"dsr-if@alpha=1@train_threshold=false"` -> `("dsr-if", {"alpha": 1, "train_threshold": False})`.

    Raises BadInput for a change that is not `name=value`, and for a name that is changed twice.
    """
    base, *changes = method.split("@")
    parsed: dict[str, Parameter] = {}
    for change in changes:
        name, equals, text = change.partition("=")
        if not (name and equals and text):
            raise BadInput(f"a variant is written method@name=value, not {method!r}")
        if name in parsed:
            raise BadInput(f"{method!r} changes {name} twice")
        parsed[name] = _parameter(text)
    return base, parsed


def spelled(base: str, changes: Mapping[str, Parameter]) -> str:
    """The one name of a variant."""
    return "@".join([base, *(f"{name}={_text(value)}" for name, value in sorted(changes.items()))])


def _parameter(text: str) -> Parameter:
    """A number or truth value where it reads as one; 1.0 is 1. Raises BadInput for a number without end, and NaN."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise BadInput(f"a parameter of a neuron is finite, not {text}")
    return value if isinstance(value, bool | int | float) else text


def _text(value: Parameter) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a number; True and False are none, although Python takes them for 1 and 0."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def require(value: str, allowed: Iterable[str], what: str) -> str:
    """Return `value` if it is one of `allowed`; else raise BadInput naming the nearest and the allowed ones.

    Of long lists that `dsr-bench list` prints, the message has the beginning.
    """
    allowed = list(allowed)
    if value in allowed:
        return value
    spelled_so = {name.lower(): name for name in allowed}
    near = difflib.get_close_matches(value[:LONGEST_VALUE].lower(), spelled_so, n=1)
    hint = f" (did you mean {spelled_so[near[0]]!r}?)" if near else ""
    said = ", ".join(allowed)
    if what in ("method", "network") and len(allowed) > MOST_NAMED:
        some = ", ".join(allowed[:MOST_NAMED])
        said = f"{some} and {len(allowed) - MOST_NAMED} more, which `dsr-bench list` prints"
    raise BadInput(f"unknown {what} {shown(value)}{hint}; allowed: {said}")


def flat(recipe: Recipe) -> dict[str, Any]:
    """A recipe's numbers by name, its parts' as `neuron.threshold`; where they come from is left out.

    A start that is measured is what the threshold is said to be.
    """
    stated = {name: value for name, value in asdict(recipe).items() if name not in ("sources", "start")}
    found = {name: value for name, value in stated.items() if not isinstance(value, Mapping)}
    for part in ("neuron", "norm", "conversion"):
        found |= {f"{part}.{name}": value for name, value in stated[part].items()}
    return found | ({"neuron.threshold": recipe.start} if recipe.start != "constant" else {})

"""Every hyper-parameter of every run, with its source. `resolve(run)` is the only place that asks for a method's name.

Sources. [DSR] the paper and its released code's defaults and README; [STBP] Zheng et al. 2021 and the public code it is
usually run with; [QCFS] Bu et al. 2022 and its two released repositories; [RUE] Rueckauer et al. 2017 as snn_toolbox
does it; [DENG] Deng & Gu 2021 and [LI] Li et al. 2021 with their released code; [ours] chosen by us, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmarks import plugins
from benchmarks.plugins import PlugIn
from benchmarks.recipes import imagenet
from benchmarks.recipes.scales import DIGITS, on_data, scaled
from benchmarks.spec import Augmentation, BadInput, Parameter, Recipe, Run, Start, one_line, variant

PARENT: Mapping[str, str] = {
    "threshold-balancing": "ann",
    "threshold-balancing-half": "ann",
    "maximum-shift": "ann",
    "deng-gu": "deng-gu-ann",
    "calibration": "ann",
    "qcfs": "qcfs-ann",
    "qcfs-l8": "qcfs-l8-ann",
    "qcfs-published": "qcfs-published-ann",
    "qcfs-2022-published": "qcfs-2022-published-ann",
    "calibration-published": "ann-published",
    "dsr-if-hybrid": "dsr-ann",
    "dsr-if-hybrid-rep": "dsr-ann",
    "dsr-if-hybrid-published": "dsr-ann",
}
"""Methods that start from another method's trained weights."""

QCFS_PARENTS = ("qcfs-ann", "qcfs-l8-ann", "qcfs-published-ann", "qcfs-2022-published-ann")
TIMELESS = ("ann", "dsr-ann", "ann-published", "deng-gu-ann", *QCFS_PARENTS)


def timeless(method: str) -> bool:
    """Whether a method has no time axis: it exists at T = 1 only, and every T of a comparison shares it."""
    base = variant(method)[0]
    outside = None if base in TIMELESS else _from_outside(base)
    return outside.method.timeless if outside else base in TIMELESS


def frames(run: Run, recipe: Recipe) -> int:
    """Of event data: the frames of a recording that a run sees. What has no time, or is converted, sees their mean."""
    return 1 if timeless(run.method) or recipe.epochs == 0 else run.timesteps


ANYTIME = (
    "threshold-balancing",
    "threshold-balancing-half",
    "qcfs",
    "qcfs-l8",
    "qcfs-published",
    "qcfs-2022-published",
)


def anytime(method: str) -> bool:
    """Whether nothing in a converted network depends on T, so that a run passes through all shorter ones.

    A shift does: it is spread over the T steps.
    """
    base, changes = variant(method)
    return base in ANYTIME and not changes.get("shift")


GRID = (1, 2, 3, 4, 5, 8, 10, 15, 16, 20, 32, 64, 128, 256, 512, 1024, 2048)
"""Numbers of steps at which a conversion is read."""

# [DSR] SGD 0.9, weight decay 5e-4 on every parameter (which is the thresholds' L2 term), batch 128, 200 epochs,
# cosine per epoch, 400 warm-up iterations, crop + flip.
CIFAR = Recipe(epochs=200, batch_size=128, learning_rate=0.1, sources="DSR released code, CIFAR defaults")
UNWARMED = replace(CIFAR, warmup_iterations=0)
"""What published recipes of the baselines start from: none of their authors' codes has a warm-up."""


def resolve(run: Run) -> Recipe:
    """The recipe of a run: the published one, cut down to the run's scale, with a variant's changes.

    Raises BadInput for a method that is not known here.
    """
    base, changes = variant(run.method)
    if changes:
        recipe = resolve(replace(run, method=base))
        # tdBN scales to its neuron's threshold
        norm = {name: changes.get(name, value) for name, value in recipe.norm.items()}
        sources = f"{recipe.sources}; varied by {run.method}"
        start: Start = "constant" if "threshold" in changes else recipe.start
        recipe = replace(recipe, norm=norm, start=start, sources=sources)  # type: ignore[arg-type]
        return replace(recipe, neuron={**recipe.neuron, **changes})
    if outside := _from_outside(base):
        stated = _its_own(run, outside)
        return _with_its_batch(scaled(stated, run), stated, run)
    return scaled(on_data(replace(_published(run), parent=PARENT.get(base)), run), run)


def _from_outside(method: str) -> PlugIn | None:
    if not plugins.there_are():
        return None
    from benchmarks.methods import FROM_OUTSIDE  # imports torch, and is for those who have plug-ins

    return FROM_OUTSIDE.get(method)


def _its_own(run: Run, outside: PlugIn) -> Recipe:
    """What a method from outside says of itself. Raises BadInput where that is no recipe."""
    usual = on_data(replace(CIFAR, sources=f"{CIFAR.sources}, taken by {outside.name}"), run)
    try:
        recipe = outside.method.recipe(run, usual)
    except Exception as error:
        said = f"{type(error).__name__}: {one_line(error)}"
        raise BadInput(f"{outside}: its recipe for {run} cannot be made: {said}") from error
    if not isinstance(recipe, Recipe):
        raise BadInput(f"{outside}: its recipe for {run} is no benchmarks.spec.Recipe")
    return replace(recipe, code=outside.code)


def _with_its_batch(recipe: Recipe, stated: Recipe, run: Run) -> Recipe:
    """A batch that a method from outside states, other than DSR's, holds at every scale, as far as images go."""
    if stated.batch_size == CIFAR.batch_size:
        return recipe
    images = recipe.train_images or (DIGITS if run.dataset == "digits" else stated.batch_size)
    size = min(stated.batch_size, images)
    cut = "" if size == stated.batch_size else f"; batch of {stated.batch_size} cut down to all {size} training images"
    return replace(recipe, batch_size=size, sources=recipe.sources + cut)


def _published(run: Run) -> Recipe:
    low_latency = run.timesteps <= 5
    match run.method:
        case "dsr-if" | "dsr-if-rep":
            # [DSR] README: V = 6, alpha = 0.5 at T = 20 and 5; lr 0.1 at T = 20, 0.05 at T = 5. Other T are ours.
            neuron = {"threshold": 6.0, "alpha": 0.5, "threshold_floor": 0.01}
            rate = 0.05 if low_latency else 0.1
            return replace(CIFAR, learning_rate=rate, neuron=neuron, sources=_dsr_sources(run.timesteps))
        case "dsr-if-hybrid" | "dsr-if-hybrid-rep" | "dsr-if-hybrid-published":
            return imagenet.hybrid(CIFAR, published=run.method.endswith("published"))
        case "dsr-lif" | "dsr-lif-rep" if low_latency:
            # [DSR] README, "low latency": T = 5. Smaller T are ours.
            neuron = {"threshold": 0.6, "alpha": 0.5, "tau": 1.0, "dt": 0.1, "threshold_floor": 0.001}
            return replace(CIFAR, learning_rate=0.05, neuron=neuron, sources=_dsr_sources(run.timesteps))
        case "dsr-lif" | "dsr-lif-rep":
            # [DSR] T = 20. At T = 10 and 15 alpha = 0.4 is ours: it minimises the mean quantisation error there.
            alpha = 0.3 if run.timesteps >= 20 else 0.4
            neuron = {"threshold": 0.3, "alpha": alpha, "tau": 1.0, "dt": 0.05, "threshold_floor": 0.0005}
            return replace(CIFAR, neuron=neuron, sources=_dsr_sources(run.timesteps))
        case "stbp-tdbn" | "stbp-tdbn-spikes":
            # [STBP] decay 0.25, rectangle of width 1; V = 0.5 is ours (only width / V matters, the norm scales to V).
            # The optimiser is DSR's: the paper's own is not published.
            neuron = {"threshold": 0.5, "decay": 0.25, "surrogate_width": 1.0}
            return replace(CIFAR, neuron=neuron, norm={"threshold": 0.5}, sources="STBP-tdBN matched to DSR's recipe")
        case "stbp-tdbn-tuned":
            # [ours] usual today. Width: sweep stbp-variants, T = 2, seed 0; width / V = 1, 2, 5: 52.5, 42.0, 27.0 %.
            changes: dict[str, Parameter] = {"surrogate": "triangle", "reset": "soft", "detach_reset": True}
            changes["surrogate_width"] = 0.5
            recipe = _published(replace(run, method="stbp-tdbn"))
            return replace(recipe, neuron={**recipe.neuron, **changes}, sources="STBP-tdBN, today's surrogate")
        case "threshold-balancing" | "threshold-balancing-half":
            # [RUE] 99.9 over nonzero activations. v0 = theta / 2 is Bu et al.'s (AAAI 2022). 512 images are ours.
            start = 0.5 if run.method.endswith("half") else 0.0
            conversion = {"images": 512, "percentile": 99.9}
            return replace(CIFAR, epochs=0, neuron={"start": start}, conversion=conversion, sources="Rueckauer 2017")
        case "deng-gu" | "maximum-shift":
            # [DENG] the maximum, a shift of theta / 2T; here over 512 images, not all (ours). They leave the shift out
            # behind residual additions and put a neuron on the logits; here no neuron is an exception.
            sources = "Deng & Gu 2021" if run.method == "deng-gu" else "Deng & Gu 2021 on an ANN without their clip"
            return replace(CIFAR, epochs=0, neuron={"shift": 0.5}, conversion={"images": 512}, sources=sources)
        case "deng-gu-ann":
            # [DENG] ReLU clipped at a fixed value, 1 as the author says in their issue 2 (their code's default is no
            # clip at all); all else is DSR's (matched), batch norm too, which their networks have not.
            return replace(CIFAR, neuron={"clip": 1.0}, sources="Deng & Gu 2021 matched to DSR's recipe")
        case "calibration" | "calibration-published":
            # [LI] "light": least-error thresholds, shift theta / 2T, bias correction on one batch. 512 images are ours.
            conversion = {"images": 512, "correction_images": 128}
            usual = UNWARMED if run.method.endswith("published") else CIFAR
            return replace(usual, epochs=0, neuron={"shift": 0.5}, conversion=conversion, sources="Li et al. 2021")
        case "qcfs-ann" | "qcfs-l8-ann":
            # [QCFS] L = 4 on CIFAR, threshold 8 at the start; augmentation and epochs are DSR's (matched).
            levels = 8 if run.method == "qcfs-l8-ann" else 4
            return replace(CIFAR, neuron={"levels": levels, "threshold": 8.0}, sources="QCFS matched to DSR's recipe")
        case "ann-published":
            # [LI] 300 epochs, no warm-up, AutoAugment and Cutout; what calibration starts from.
            return replace(UNWARMED, epochs=300, augmentation="autoaugment-cutout", sources="Li et al. 2021, their ANN")
        case "qcfs-published-ann":
            # [QCFS] ANN_SNN_QCFS, the successor: 300 epochs, batch 300, no warm-up, AutoAugment and Cutout
            # on both sets, L = 4 (README; default 8), learning rate 0.1 on CIFAR-10 and 0.05 on CIFAR-100.
            rate = 0.05 if run.dataset == "cifar100" else 0.1
            neuron = {"levels": 4, "threshold": 8.0}
            recipe = replace(UNWARMED, epochs=300, batch_size=300, learning_rate=rate, neuron=neuron)
            return replace(recipe, augmentation="autoaugment-cutout", sources="QCFS, ANN_SNN_QCFS as released")
        case "qcfs-2022-published-ann":
            # [QCFS] SNN_conversion_QCFS, the first: 120 epochs (its default; a comment there calls 300 better), no
            # warm-up, on CIFAR-100 Cutout without AutoAugment. L = 4 as its authors say of CIFAR; its default is 16.
            rich: Augmentation = "crop-flip-cutout" if run.dataset == "cifar100" else "autoaugment-cutout"
            recipe = replace(UNWARMED, epochs=120, augmentation=rich, sources="QCFS, SNN_conversion_QCFS as released")
            return replace(recipe, neuron={"levels": 4, "threshold": 8.0, "order": "floor-clamp"})
        case "qcfs" | "qcfs-l8" | "qcfs-published" | "qcfs-2022-published":
            # [QCFS] no training of its own; membrane starts at half the threshold.
            usual = UNWARMED if run.method.endswith("published") else CIFAR
            return replace(usual, epochs=0, neuron={"start": 0.5}, sources="QCFS conversion, no calibration")
        case "ann" | "dsr-ann":
            return CIFAR
        case _:
            raise BadInput(f"there is no recipe of {run.method}: it is no method here, or its plug-in is not loaded")


def _dsr_sources(timesteps: int) -> str:
    """What is published is of T = 20 and 5."""
    taken = f"; those of T = {5 if timesteps < 5 else 20}, at T = {timesteps} by us"
    return CIFAR.sources if timesteps in (5, 20) else CIFAR.sources + taken

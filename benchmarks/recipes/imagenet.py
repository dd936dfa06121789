"""ImageNet's recipes, and hybrid training, which the paper uses there; `recipes.resolve` asks for them.

[DSR] the released code's ImageNet part; [ours] chosen by us.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.spec import Recipe, Scale


def hybrid(recipe: Recipe, published: bool) -> Recipe:
    """[DSR] From an ANN's weights; thresholds are 0.999 quantiles of its activations. Adam, no weight decay.

    The released code measures them on the first 720 images of the validation set, unshuffled (`published`): on images
    that are tested on, of 15 classes. [ours] 720 training images. Off ImageNet the schedule is ours.

    The paper's text has an L2 term on thresholds; the released hybrid code has none (weight decay 0), nor has this. The
    paper scales thresholds' gradients with batch size and model; the released code multiplies them by constants (1 for
    IF, dt for LIF, 0.001 for IF on ImageNet) that no batch size enters, and so does this: the loss is a mean over the
    batch, and a threshold's gradient a sum over it. Under Adam, which divides a gradient by its own size, the constant
    does nothing: with 1 and with 0.001 thresholds are the same but for 4e-6 (`tests/test_hybrid.py`).
    """
    neuron = {"alpha": 0.5, "threshold_floor": 0.01}
    conversion = {"images": 720, "quantile": 0.999, **({"test_images": 1.0} if published else {})}
    recipe = replace(recipe, optimizer="adam", learning_rate=0.001, weight_decay=0.0)
    return replace(recipe, neuron=neuron, conversion=conversion, sources="DSR released code, hybrid training")


def scaled(recipe: Recipe, for_few_steps: Recipe, scale: Scale) -> Recipe:
    """A method's recipe for ImageNet at a scale; `for_few_steps` is the one whose training is short."""
    match scale:
        case "paper":
            return _published(recipe)
        case "short":
            return _cut(_published(recipe), "short", epochs=30)
        case "laptop":
            return _cut(_published(for_few_steps), "laptop", 20, 64, 1_000, 400)
        case "smoke":
            return _cut(_published(for_few_steps), "smoke", 2, 32, 100, 50)


def warmed_up(recipe: Recipe, iterations: int) -> Recipe:
    """Another length of warm-up; a recipe that has none, as its authors have none, gets none."""
    return replace(recipe, warmup_iterations=iterations) if recipe.warmup_iterations else recipe


def _published(recipe: Recipe) -> Recipe:
    """[DSR] 90 epochs, warm-up of 5000 iterations. ANN: batch 256, weight decay 1e-4; hybrid: batch 144, c = 0.001
    (which Adam undoes).

    [ours] Methods that the authors have not run there take the ANN's.
    """
    recipe = warmed_up(replace(recipe, augmentation="resized-crop-flip", classes=1_000), 5_000)
    recipe = recipe if recipe.epochs == 0 else replace(recipe, epochs=90)
    if recipe.optimizer == "adam":
        return replace(recipe, batch_size=144, neuron={**recipe.neuron, "threshold_gain": 0.001})
    sources = f"{recipe.sources}; schedule of DSR's ImageNet ANN"
    return replace(recipe, batch_size=256, weight_decay=1e-4, sources=sources)


def _cut(
    recipe: Recipe, scale: str, epochs: int, size: int | None = None, train: int | None = None, test: int | None = None
) -> Recipe:
    """[ours] With a `size`: ten classes, squares of so many pixels, batches of 50, an epoch of warm-up."""
    recipe = replace(recipe, epochs=min(epochs, recipe.epochs), sources=f"{recipe.sources}; cut down to {scale} by us")
    if size is None:
        return recipe
    recipe = replace(recipe, classes=10, image_size=size, train_images=train, test_images=test)
    return warmed_up(replace(recipe, batch_size=50), (train or 0) // 50)

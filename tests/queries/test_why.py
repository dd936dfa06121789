"""`dsr-bench why`: against the published protocol as the paper and its code have it, field by field."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from ended_runs import CLEAN, finish

from benchmarks.campaigns import NAMED
from benchmarks.methods import BUILT_IN
from benchmarks.recipes import resolve
from benchmarks.runs.identity import key, key_of, parent
from benchmarks.spec import Run, Scale
from reports.queries.lookup import find
from reports.queries.protocols import protocol_of
from reports.queries.why import explain
from reports.rendering.table import DASH, Table

PAPER = Run("cifar10", "preact-resnet18", "dsr-if", 20, 0, "paper")
LAPTOP = Run("cifar10", "preact-resnet18-narrow", "dsr-if", 5, 0, "laptop")
OFFICIAL = {"provenance": replace(CLEAN, data_source="official files, by torchvision")}


def asked(tmp_path: Path, run: Run, **facts: Any) -> tuple[Table | None, str]:
    if (origin := parent(run)) is not None:
        finish(tmp_path, origin, **OFFICIAL)
        facts |= {"parent_key": key(origin)}
    return explain(find(str(finish(tmp_path, run, **OFFICIAL | facts)), tmp_path))


def lines(table: Table | None) -> dict[str, tuple[str, ...]]:
    assert table is not None
    return {row[0].text: tuple(cell.text for cell in row[1:4]) for row in table.rows}


@pytest.mark.parametrize(
    "run",
    [
        PAPER,
        replace(PAPER, method="dsr-lif"),
        replace(PAPER, timesteps=5),
        replace(PAPER, dataset="cifar100"),
        replace(PAPER, method="dsr-if@alpha=1"),
        replace(PAPER, method="dsr-if@alpha=1@threshold=6@train_threshold=false"),
        replace(PAPER, network="preact-resnet56"),
        Run("cifar10dvs", "vgg11", "dsr-lif", 20, 0, "paper"),
        Run("imagenet", "preact-resnet18-imagenet", "dsr-if-hybrid-published", 50, 0, "paper"),
    ],
)
def test_the_published_runs_differ_in_nothing_that_is_stated(run: Run, tmp_path: Path) -> None:
    source = {"cifar10dvs": "CIFAR10-DVS, 900", "imagenet": "ImageNet, whole"}.get(run.dataset, "official files")
    table, said = asked(tmp_path, run, provenance=replace(CLEAN, data_source=source))
    assert said.startswith("Comparable with DSR, ")
    assert {published for published, _, _ in lines(table).values()} <= {
        "mean of 3", DASH, "not known", "not stated; its code prints the best", "mirrored after reading .aedat",
    }  # fmt: skip


def test_a_laptop_run_differs_in_all_that_was_cut(tmp_path: Path) -> None:
    # published: the released code's README for T = 5
    table, said = asked(tmp_path, LAPTOP)
    found = lines(table)
    assert {what: sides[:2] for what, sides in found.items() if what not in ("seeds", "reported epoch")} == {
        "network": ("preact-resnet18", "preact-resnet18-narrow"),
        "epochs": ("200", "8"),
        "batch": ("128", "64"),
        "warm-up iterations": ("400", "78"),
        "training images": ("all", "10,000"),
        "held-out training images": ("0", "2,000"),
        "V at the start": ("6", "first-gradient"),
    }
    assert said == "Not comparable with the paper's row: 7 things differ from DSR, Fig. 3a."
    assert {what: sides[2] for what, sides in found.items() if sides[2] != DASH} == {
        "reported epoch": "unknown",
        "epochs": "down",
        "V at the start": "up",
    }


def test_a_run_whose_test_split_was_read_once_says_so(tmp_path: Path) -> None:
    found = lines(asked(tmp_path, replace(LAPTOP, scale="workstation"))[0])
    assert found["reported epoch"][1] == "last; no other was tested"
    assert found["warm-up, share of the iterations"][:2] == (DASH, "0.12")
    assert "test every epoch" not in found


def test_the_recipe_is_the_one_the_run_had(tmp_path: Path) -> None:
    had = key_of(PAPER, replace(resolve(PAPER), weight_decay=0.0001), None)
    now = finish(tmp_path, PAPER, **OFFICIAL)
    place = now.rename(now.with_name(now.name.replace(key(PAPER), had)))
    for file in (place / "run.json", place / "result.json"):
        text = file.read_text().replace(key(PAPER), had)
        file.write_text(text.replace('"weight_decay": 0.0005', '"weight_decay": 0.0001'))
    table, said = explain(find(str(place), tmp_path))
    assert lines(table)["weight decay"][:2] == ("0.0005", "0.0001")
    assert said.startswith("Not comparable with the paper's row: 1 thing differs")


def test_a_few_steps_are_no_row_of_the_figure(tmp_path: Path) -> None:
    found = lines(asked(tmp_path, replace(PAPER, timesteps=2))[0])
    assert found["T"] == ("5, 10, 15, 20", "2", "down")


def test_between_5_and_20_steps_what_is_not_published_is_said(tmp_path: Path) -> None:
    found = lines(asked(tmp_path, replace(PAPER, method="dsr-lif", timesteps=10))[0])
    assert found["learning rate between T = 5 and 20"] == ("not known", "0.1", "unknown")
    assert found["LIF's alpha there"] == ("not known", "0.4", "unknown")


def test_the_other_gradient_is_no_row_of_the_paper(tmp_path: Path) -> None:
    table, said = asked(tmp_path, replace(PAPER, method="dsr-if-rep"))
    assert lines(table)["gradient"] == ("the released code's", "in representation space", "unknown")
    assert said == "Not comparable: the paper has no such row, and 1 thing differs from DSR, Tab. 2."


def test_a_variant_that_the_paper_has_not_is_no_row_and_its_change_is_shown(tmp_path: Path) -> None:
    table, said = asked(tmp_path, replace(PAPER, method="dsr-if@alpha=0.7"))
    assert lines(table)["alpha"][:2] == ("0.5", "0.7")
    assert "no such row" in said
    table, _ = asked(tmp_path, replace(PAPER, method="dsr-if@alpha=1", timesteps=5))
    assert lines(table)["T"][:2] == ("20", "5")


def test_data_that_are_not_the_authors_and_a_run_that_failed_are_differences(tmp_path: Path) -> None:
    facts = {"status": "failed", "provenance": replace(CLEAN, data_source="a mirror")}
    table, _ = asked(tmp_path, PAPER, **facts)
    assert lines(table)["data"][1] == "a mirror"
    assert lines(table)["status"][1] == "failed"


def test_a_conversion_is_held_against_its_authors_recipe_and_its_parent_too(tmp_path: Path) -> None:
    table, said = asked(tmp_path, replace(PAPER, method="qcfs", timesteps=8))
    found = lines(table)
    assert found["network"][:2] == ("resnet18 or resnet20 or vgg16", "preact-resnet18")
    assert found["parent's epochs"][:2] == ("300", "200")
    assert found["parent's augmentation"] == ("autoaugment-cutout", "crop-flip", "down")
    assert found["parent's batch"][:2] == ("300", "128")
    assert found["parent's warm-up iterations"][:2] == ("0", "400")
    assert said == "Not comparable: the paper has no such row, and 5 things differ from Bu et al. 2022 (QCFS)."
    _, said = asked(tmp_path, replace(PAPER, method="qcfs-published", network="resnet18", timesteps=8))
    assert said.startswith("The paper has no such row; comparable with Bu et al. 2022")


def test_a_recipe_of_qcfs_first_repository_is_held_against_that_repository(tmp_path: Path) -> None:
    _, said = asked(tmp_path, replace(PAPER, method="qcfs-2022-published", network="resnet18", timesteps=8))
    assert said.startswith("The paper has no such row; comparable with Bu et al. 2022")


def test_maximum_shift_lacks_the_clip_of_deng_and_gus_ann(tmp_path: Path) -> None:
    found = lines(asked(tmp_path, replace(PAPER, method="maximum-shift", timesteps=128))[0])
    assert found["parent's clip of the ReLU"][:2] == ("1", "none")
    theirs = lines(asked(tmp_path, replace(PAPER, method="deng-gu", timesteps=128))[0])
    assert "parent's clip of the ReLU" not in theirs
    assert theirs["neuron on the logits"][:2] == found["neuron on the logits"][:2] == ("yes", "no")


def test_cq_training_is_held_against_its_scripts(tmp_path: Path) -> None:
    found = lines(asked(tmp_path, replace(PAPER, method="cq", timesteps=400))[0])
    assert found["network"][:2] == ("cq-vgg", "preact-resnet18")
    assert found["stages of training"][:2] == ("the clamp alone in its scripts, three in the paper", "three")
    assert found["parent's optimiser"][:2] == ("adam", "sgd")
    assert "pixels" not in found
    theirs = lines(asked(tmp_path, replace(PAPER, method="cq-published", network="cq-vgg", timesteps=400))[0])
    assert theirs.keys() == {"augmentation", "seeds"}


def test_spike_norm_is_published_on_networks_without_norms(tmp_path: Path) -> None:
    run = Run("imagenet", "preact-resnet18-imagenet", "spike-norm", 2000, 0, "paper")
    table, said = asked(tmp_path, run, provenance=replace(CLEAN, data_source="ImageNet, whole"))
    assert "Sengupta et al. 2019 (Spike-Norm)" in said
    found = lines(table)
    assert found["norms and biases"][:2] == ("none", "batch norm, folded")
    assert found["network"][0] == "ResNet-34"
    cifar = lines(asked(tmp_path, replace(PAPER, method="spike-norm"))[0])
    assert "network" not in cifar
    assert "T" not in cifar
    assert cifar["norms and biases"] == found["norms and biases"]


def test_membranes_that_start_half_full_are_not_the_first_authors(tmp_path: Path) -> None:
    found = lines(asked(tmp_path, replace(PAPER, method="threshold-balancing-half", timesteps=8))[0])
    assert found["membrane at the start, in V"] == ("0", "0.5", "up")


def test_what_its_authors_do_not_publish_is_not_called_theirs(tmp_path: Path) -> None:
    run = replace(LAPTOP, method="stbp-tdbn", timesteps=6)
    found = lines(asked(tmp_path, run)[0])
    assert found["epochs"] == ("not known; DSR's 200", "8", "down")
    assert found["network"] == ("resnet19", "preact-resnet18-narrow", DASH)
    assert "T" not in found


def test_plif_matched_differs_from_its_authors_in_what_is_dsrs(tmp_path: Path) -> None:
    found = lines(asked(tmp_path, replace(PAPER, method="plif", timesteps=8))[0])
    assert found["readout"][:2] == ("votes of ten spiking neurons a class", "mean output current")
    assert found["statistics of the norms"][:2] == ("of each step by itself", "over all steps")
    assert found["epochs in which the cosine falls, before it rises"][:2] == ("64", DASH)
    assert (found["loss"][0], found["optimiser"][0], found["batch"][0]) == ("squared-error", "adam", "16")
    assert "statistics of the norms" not in lines(asked(tmp_path, replace(PAPER, method="plif-stepwise"))[0])
    run = replace(PAPER, method="plif-published", network="plif-cifar10", timesteps=8)
    assert asked(tmp_path, run)[1].startswith("The paper has no such row; comparable with Fang et al. 2021")
    events = replace(run, dataset="cifar10dvs", network="plif-dvs", timesteps=20)
    assert lines(asked(tmp_path, events)[0])["frames"][:2] == ("128 x 128 pixels", "48 x 48")


def test_diet_snn_matched_has_a_norm_and_another_factor_and_as_published_differs_in_augmentation(
    tmp_path: Path,
) -> None:
    matched = replace(PAPER, dataset="cifar100", method="diet-snn", timesteps=5)
    found = lines(asked(tmp_path, matched)[0])
    assert found["norm"][:2] == ("none", "batch norm")
    assert found["factor on thresholds at the start"][:2] == ("0.2", "0.3")
    assert (found["optimiser"][:2], found["network"][0]) == (("amsgrad", "adam"), "diet-vgg16")
    assert found["parent's learning rate"][:2] == ("0.001", "0.1")
    assert found["recipe on CIFAR-100"][0] == "not known"
    run = replace(matched, method="diet-snn-published", network="diet-vgg16")
    table, said = asked(tmp_path, run)
    assert said.endswith("1 thing differs from Rathi & Roy 2020 (DIET-SNN).")
    assert lines(table)["augmentation of images thresholds are measured on"][:2] == ("that of training", "none")
    assert "recipe on CIFAR-100" not in lines(asked(tmp_path, replace(run, dataset="cifar10"))[0])
    early = lines(asked(tmp_path, replace(run, timesteps=2))[0])
    assert early["T"] == ("5", "2", DASH), "what fewer steps cost a conversion is not what they cost a trained network"


def test_hybrid_trainings_steps_and_what_its_code_does_twice_are_said(tmp_path: Path) -> None:
    run = Run("cifar100", "hybrid-vgg11", "hybrid-training-published", 125, 0, "paper")
    table, said = asked(tmp_path, run)
    assert said.endswith("3 things differ from Rathi et al. 2020 (hybrid training).")
    assert "T" not in lines(table)
    assert lines(asked(tmp_path, replace(run, timesteps=20))[0])["T"][:2] == ("50, 125", "20")
    matched = lines(asked(tmp_path, replace(run, dataset="cifar10", method="hybrid-training"))[0])
    assert matched["surrogate"][:2] == ("default", "spike-time")
    assert matched["networks, T and recipe on this data set"][:2] == ("not known", "those of CIFAR-100")
    images = Run("imagenet", "preact-resnet18-imagenet", "hybrid-training", 250, 0, "paper")
    assert lines(asked(tmp_path, images)[0])["network"][0] == "ResNet-34"


def test_stbp_differs_from_what_is_released_in_its_threshold_even_as_published(tmp_path: Path) -> None:
    matched = lines(asked(tmp_path, replace(PAPER, method="stbp", network="cifarnet", timesteps=5))[0])
    assert matched["drops of the learning rate, shares of the epochs"][:2] == ("0.291667, 0.583333, 0.875", DASH)
    assert matched["factor on the rate of fully connected layers"][:2] == ("0.1", "1")
    run = replace(PAPER, method="stbp-published", network="cifarnet", timesteps=5)
    table, said = asked(tmp_path, run)
    assert lines(table)["threshold"][:2] == ("0.75, from which users see a loss that does not move", "0.25")
    assert said.endswith("1 thing differs from Wu et al. 2018 (STBP).")


def test_tandem_learning_as_published_differs_in_its_tests_alone(tmp_path: Path) -> None:
    run = replace(PAPER, method="tandem-published", network="cifarnet-tandem", timesteps=8)
    table, said = asked(tmp_path, run)
    assert lines(table)["dropout"][:2] == ("in tests, too", "in training only")
    assert lines(table)["reported epoch"][0] == "the best on the test split"
    assert said.endswith("1 thing differs from Wu et al. 2021 (Tandem learning).")


def test_rate_based_backpropagation_differs_from_what_is_released_in_its_gradient_and_recipe(tmp_path: Path) -> None:
    run = replace(PAPER, method="rate-bp-published", network="resnet18", timesteps=4)
    table, said = asked(tmp_path, run)
    assert lines(table)["colour of Cutout's holes"][:2] == ("black", "the mean")
    assert said.endswith("1 thing differs from Yu et al. 2024 (rate-based BP).")
    matched = lines(asked(tmp_path, replace(PAPER, method="rate-bp", timesteps=5))[0])
    assert matched["gradient of the loss"][:2] == ("divided by T", "not divided")
    assert matched["what weight decay acts on"][:2] == ("weights", "all")
    assert (matched["epochs"][0], matched["augmentation"][0]) == ("300", "autoaugment-cutout")
    through = lines(asked(tmp_path, replace(PAPER, method="rate-bp-bptt", timesteps=5))[0])
    assert through["gradient of the loss"][1] == "through time"
    assert asked(tmp_path, Run("nmnist", "vgg11", "rate-bp", 20, 0, "paper"))[0] is None


def test_psn_has_a_recipe_of_dsrs_and_says_what_its_own_is(tmp_path: Path) -> None:
    found = lines(asked(tmp_path, replace(PAPER, method="psn", timesteps=5))[0])
    assert found["mixed images"][:2] == ("mixup and CutMix", "none")
    assert (found["epochs"][:2], found["weight decay"][:2]) == (("1,024", "200"), ("0", "0.0005"))
    assert found["T"][:2] == ("4", "5")
    assert asked(tmp_path, replace(PAPER, method="psn", dataset="cifar100"))[0] is None


@pytest.mark.parametrize(("method", "epochs"), [("psn", "1,024"), ("slip-relu-ann", "300")])
def test_what_is_known_of_a_recipe_that_is_not_in_the_suite_is_not_called_unknown(
    method: str, epochs: str, tmp_path: Path
) -> None:
    found = lines(asked(tmp_path, Run("cifar10", "preact-resnet18-narrow", method, 5, 0, "workstation"))[0])
    assert found["epochs"][:2] == (epochs, "20")


def test_tandem_matched_differs_in_dsrs_recipe_and_in_an_eps(tmp_path: Path) -> None:
    found = lines(asked(tmp_path, replace(PAPER, method="tandem", timesteps=8))[0])
    assert found["network"][:2] == ("cifarnet-tandem", "preact-resnet18")
    assert found["drops of the learning rate, shares of the epochs"][:2] == ("0.333333, 0.666667", DASH)
    assert found["eps where spikes are normalised"][:2] == ("0", "0.0001")
    assert (found["optimiser"][0], found["batch"][0]) == ("adam", "256")
    events = Run("cifar10dvs", "vgg11", "tandem", 20, 0, "paper")
    assert asked(tmp_path, events)[0] is None, "nothing of it is released for event data"


def test_asf_bp_at_few_steps_differs_from_its_authors_in_its_threshold_too(tmp_path: Path) -> None:
    run = replace(PAPER, method="asf-bp-published", network="vgg7", timesteps=400)
    table, said = asked(tmp_path, run)
    assert lines(table)["input spikes in tests"][:2] == ("drawn anew each time", "follow from the image")
    assert lines(table)["constants at T = 400"][0] == "not known"
    assert said.endswith("1 thing differs from Wu et al. 2021 (ASF-BP).")
    few = lines(asked(tmp_path, replace(run, timesteps=5))[0])
    assert few["T"][:2] == ("400", "5")
    assert few["V at the start"][:2] == ("2", "0.5")


def test_tssl_bp_differs_from_what_is_published_in_norm_target_and_recipe(tmp_path: Path) -> None:
    run = replace(PAPER, method="tssl-bp", timesteps=5)
    found = lines(asked(tmp_path, run)[0])
    assert found["network"][:2] == ("cifarnet-tssl", "preact-resnet18")
    assert found["norm"][:2] == ("none", "batch norm")
    assert found["how often the target spikes are filtered"][:2] == ("twice", "once")
    assert (found["optimiser"][0], found["batch"][0], found["learning rate"][0]) == ("adamw", "50", "0.0002")
    table, said = asked(tmp_path, replace(run, method="tssl-bp-published", network="cifarnet-tssl"))
    assert "norm" not in lines(table)
    assert lines(table)["weights are clipped"][:2] == ("after an update", "before the next pass")
    assert said.endswith("1 thing differs from Zhang & Li 2020 (TSSL-BP).")
    assert protocol_of(replace(run, dataset="cifar100")) is None, "nothing is published there"


def test_ide_differs_from_what_is_released_in_its_solver_even_as_published(tmp_path: Path) -> None:
    run = replace(PAPER, method="ide", network="cifarnet-f", timesteps=30)
    found = lines(asked(tmp_path, run)[0])
    assert found["where the Jacobian is taken"][:2] == ("at f of the simulated rate", "at the simulated rate")
    assert found["running statistics of the first norm"][:2] == ("move twice a batch", "move once")
    assert found["drops of the learning rate, shares of the epochs"][0] == "0.5, 0.75"
    assert "T" not in found
    table, said = asked(tmp_path, replace(run, method="ide-published", timesteps=5))
    assert lines(table)["T"][:2] == ("30, 100", "5")
    assert lines(table)["solver of the gradient's equation"][:2] == ("Broyden, 30 steps", "GMRES, up to 30 products")
    assert said.endswith("2 things differ from Xiao et al. 2021 (IDE).")


def test_thresholds_measured_on_training_images_are_a_difference_on_imagenet(tmp_path: Path) -> None:
    run = Run("imagenet", "preact-resnet18-imagenet", "dsr-if-hybrid", 50, 0, "paper")
    table, said = asked(tmp_path, run, provenance=replace(CLEAN, data_source="ImageNet, whole"))
    assert lines(table)["thresholds see test images"] == ("yes", "no", "down")
    assert said.endswith("1 thing differs from DSR, Tab. 2.")


def test_training_without_the_ann_starts_from_elsewhere(tmp_path: Path) -> None:
    run = Run("imagenet", "preact-resnet18-imagenet", "dsr-if", 50, 0, "paper")
    table, said = asked(tmp_path, run)
    assert lines(table)["starts from"][:2] == ("a trained dsr-ann", "random weights")
    assert "no such row" in said


def test_a_simulated_camera_is_another_data_set(tmp_path: Path) -> None:
    table, said = asked(tmp_path, Run("cifar10dvs-sim", "vgg11", "dsr-if", 20, 0, "paper"))
    assert lines(table)["data set"][:2] == ("cifar10dvs", "cifar10dvs-sim")
    assert "no such row" in said


def test_where_nothing_is_published_there_is_no_table(tmp_path: Path) -> None:
    table, said = asked(tmp_path, Run("digits", "preact-resnet-tiny", "dsr-if", 4, 0, "smoke"))
    assert table is None
    assert said == "The paper has no such row, and no other published protocol of dsr-if on digits is known here."


def test_smoke_runs_are_never_evidence(tmp_path: Path) -> None:
    table, _ = asked(tmp_path, Run("cifar10", "preact-resnet-tiny", "dsr-if", 4, 0, "smoke"))
    assert table is not None
    assert "Never evidence" in table.warning


def test_what_does_not_spike_differs_from_dsr_in_what_only_spikes_have(tmp_path: Path) -> None:
    for method, steps, expected in (("dsr-clamp", 1, ["0.5", "none"]), ("dsr-quantized", 20, None)):
        table, said = asked(tmp_path, replace(PAPER, method=method, timesteps=steps))
        assert said.startswith("Not comparable: the paper has no such row")
        assert table is not None
        differences = {row[0].text: [row[1].text, row[2].text] for row in table.rows}
        assert differences.get("alpha") == expected
        assert differences["what neurons emit"] == ["spikes, step by step", "a graded value, once"]
        assert "T" not in differences


def test_every_run_of_every_sweep_has_an_answer() -> None:
    runs = [run for sweep in NAMED.values() for scale in sweep.networks for run in sweep.runs(cast("Scale", scale))]
    of_ours = ("ann-pixels", "dsr-if-hybrid", "dsr-if-hybrid-rep")  # published by nobody, and on ImageNet alone
    assert {
        run.dataset for run in runs if protocol_of(run) is None and run.method.partition("@")[0] not in of_ours
    } <= {
        "digits",
        "nmnist",
        *DVS,
        "imagenet",
        "cifar100",
    }
    own = {run.method.partition("@")[0] for run in runs if (found := protocol_of(run)) and found.has_row}
    assert own == {"ann", "dsr-if", "dsr-lif", "dsr-ann", "dsr-if-hybrid", "dsr-if-hybrid-published"}
    cifar10 = [replace(PAPER, method=method) for method in {*BUILT_IN} - {*of_ours} if "hybrid" not in method]
    assert all(protocol_of(run) for run in cifar10)


DVS = ("cifar10dvs", "cifar10dvs-sim")


def test_sltt_as_published_differs_in_arithmetic_and_cutout_and_matched_in_dsrs_recipe(tmp_path: Path) -> None:
    table, said = asked(tmp_path, replace(PAPER, method="sltt-published", timesteps=6))
    assert lines(table)["arithmetic"][:2] == ("float16 autocast", "float32")
    assert lines(table)["Cutout"][1] == "16 x 16 pixels of every image"
    assert said.endswith("2 things differ from Meng et al. 2023 (SLTT).")
    found = lines(asked(tmp_path, replace(PAPER, method="sltt-k", timesteps=5))[0])
    assert found["T"][:2] == ("6", "5")
    assert found["weight decay"][:2] == ("5e-05", "0.0005")
    assert found["what the loss of a trained step is divided by"][:2] == ("T", "the number of trained steps")
    through_time = lines(asked(tmp_path, replace(PAPER, method="sltt-bptt", timesteps=6))[0])
    assert through_time["gradient from step to step"][:2] == ("none", "all")
    few = lines(asked(tmp_path, replace(PAPER, method="sltt-k@trained_steps=3", timesteps=6))[0])
    assert few["steps that training goes backward behind"][:2] == ("2", "3")


def test_ottt_matched_differs_in_network_norm_and_loss(tmp_path: Path) -> None:
    found = lines(asked(tmp_path, replace(PAPER, method="ottt", timesteps=6))[0])
    assert found["network"][:2] == ("ottt-vgg11", "preact-resnet18")
    assert found["norm"][:2] == ("none, weights are standardised", "batch norm of each step")
    assert found["loss"][:2] == ("tet-onehot", "tet")
    run = replace(PAPER, method="ottt-published", network="ottt-vgg11", timesteps=6)
    assert asked(tmp_path, run)[1].endswith("1 thing differs from Xiao et al. 2022 (OTTT).")


def test_tet_as_published_differs_in_nothing_that_is_stated(tmp_path: Path) -> None:
    run = replace(PAPER, method="tet-published", network="resnet19", timesteps=4)
    table, said = asked(tmp_path, run)
    assert lines(table)["norm"][:2] == ("not known", "tdBN, V = 1")
    assert said.endswith("but for what is not stated there.")

"""The HTML page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from invented import ORIGIN, ann, conversion, result, write_rows

import reports
from benchmarks.recipes import resolve
from benchmarks.runs.record import Provenance
from benchmarks.spec import Recipe, Run
from reports.rendering.table import SMOKE_WARNING
from reports.tables.run_cards import best_founded, layers_of


class Page(HTMLParser):
    """Collects the tags of a page and checks that they close in order."""

    VOID = ("meta", "link")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def count(self, tag: str, **attributes: str) -> int:
        return sum(name == tag and attributes.items() <= found.items() for name, found in self.tags)


def page(tmp_path: Path, *rows: dict[str, Any]) -> str:
    return page_of(write_rows(tmp_path / "rows.csv", *rows), tmp_path)


def page_of(path: Path, tmp_path: Path) -> str:
    reports.write(reports.read([path]), tmp_path / "report")
    return (tmp_path / "report" / "index.html").read_text()


def test_the_page_is_whole_and_asks_for_nothing(tmp_path: Path) -> None:
    text = page(tmp_path, result(), result(scale="smoke"))
    found = Page(text)
    assert not re.search(r"https?://", text)
    assert found.count("script") == 1
    assert found.count("script", src="") == found.count("noscript") == 0
    assert "@import" not in text
    # of each scale: matrices of accuracy, energy and memory, all results, energy by model, break-even rates, training
    # cost, a card's seeds; of all: machines and data
    assert found.count("table") == found.count("caption") == 2 * 8 + 2
    assert found.count("th", scope="col") == 2 * (3 * 2 + 14 + 15 + 7 + 10) + 8 + 6
    assert found.count("th", scope="row") == 2 * 7 + 2
    assert found.count("details", **{"class": "behind"}) == 2 * 4
    assert "prefers-color-scheme: dark" in text


def test_only_a_smoke_page_carries_the_warning(tmp_path: Path) -> None:
    assert Page(page(tmp_path, result(scale="smoke"))).count("article", **{"class": "smoke"}) == 7
    assert SMOKE_WARNING not in page(tmp_path, result(scale="laptop"))


def test_the_page_says_where_its_rows_come_from(tmp_path: Path) -> None:
    later = Provenance(**{**ORIGIN.__dict__, "started": "2025-03-05T01:00:00+00:00", "dirty": True})
    text = page(tmp_path, result(), result(seed=1, provenance=later))
    for fact in ("4.6 pJ per MAC", "0123456789ab; 0123456789ab (dirty)", "bench-01, cpu", "2025-03-02 to 2025-03-05"):
        assert fact in text.partition("<footer>")[2]


def test_verdicts_are_counted_by_kind_and_an_open_one_says_what_would_decide(tmp_path: Path) -> None:
    facts = {"dataset": "cifar10", "network": "preact-resnet18-narrow"}
    rows = [result(method="dsr-if", timesteps=t, seed=s, top1=50.0 + s * t, **facts) for t in (5, 20) for s in range(3)]
    text = page(tmp_path, *rows)
    strip = text.partition('class="strip"')[2].partition("</section>")[0]
    for group in ("accuracies, scale laptop", "controls and variants of ours, scale laptop", "cost of a step"):
        assert f"<b>{group}</b>" in strip
    assert '<span class="chip inconclusive"><b>1</b> inconclusive</span>' in strip
    assert "the chance to decide it would be even" in text


def test_text_from_the_csv_cannot_become_markup(tmp_path: Path) -> None:
    text = page(tmp_path, result(method="<script>x</script>"), result(status="failed", reason="<img src=y>"))
    assert (Page(text).count("script"), Page(text).count("img")) == (1, 0)
    assert "&lt;script&gt;" in text


def test_without_the_script_nothing_is_hidden_but_empty_toolbars(tmp_path: Path) -> None:
    text = page(tmp_path, result(), result(timesteps=8))
    assert text.count("data-accuracy=") == 3
    hidden = re.findall(r"<[^>]* hidden[ >][^<]*<[^>]*>", text.partition("<script>")[0])
    assert hidden
    assert set(hidden) == {'<div class="tools" hidden></div>'}
    links = re.findall(r'<a href="#(run-[^"]+)"', text)
    assert links == 2 * [f"run-digits-tiny-laptop-dsr-if-T{steps}" for steps in (4, 8)], "of the matrix, then of all"
    assert all(f'<details class="card" id="{link}">' in text for link in links)


def test_a_card_draws_the_curve_there_is_and_says_of_which_images(tmp_path: Path) -> None:
    heads = "key,epoch,train_seconds,train_joules,test_top1,train_loss,train_cpu_seconds,validation_top1"
    lines = {"a": ["a,1,1,,20,,,30", "a,2,2,,21,,,31"], "b": ["b,1,1,,,,,40", "b,2,2,,,,,47.5"]}
    rows = [result(key="a", top1=21.0, epochs=2), result(key="b", method="dsr-lif", validation_top1=47.5, epochs=2)]
    path = write_rows(tmp_path / "rows.csv", *rows)
    (tmp_path / "rows-curves.csv").write_text("\n".join([heads, *lines["a"], *lines["b"]]) + "\n")
    text = page_of(path, tmp_path)
    assert "test accuracy, epoch 1 to 2: 20.0 to 21.0 %" in text
    assert "accuracy on held-out images, epoch 1 to 2: 40.0 to 47.5 %" in text
    assert text.count("<figcaption>Test accuracy by epoch, a line per seed") == 1
    assert text.count("<figcaption>Accuracy on held-out images by epoch, a line per seed") == 1
    assert text.count("held out <small>%</small>") == 2  # of the long table and of the card that knows it


def test_a_conversion_has_one_card_for_all_its_steps_and_a_link_to_it_from_each(tmp_path: Path) -> None:
    text = page(tmp_path, ann(), *(conversion(timesteps=t, seed=seed) for t in (2, 4) for seed in (0, 1)))
    start = text.index('<details class="card" id="run-digits-tiny-laptop-qcfs-T2">')
    card = text[start : text.index("</details>", start)]
    assert text.count('<details class="card"') == 2, "the parent's and this"
    assert '<span id="run-digits-tiny-laptop-qcfs-T4"></span>' in card
    assert "qcfs, T = 2, 4, tiny on digits" in card
    assert re.findall(r"<tr><th>(\d)</th><td>(\d)</td>", card) == [("0", "2"), ("1", "2"), ("0", "4"), ("1", "4")]
    assert "core-seconds" not in card, "of what no run has, no column"


def test_trials_are_in_the_long_table_alone_and_records_lead_to_their_cards(tmp_path: Path) -> None:
    narrow = {"dataset": "cifar10", "network": "preact-resnet18-narrow", "scale": "workstation", "acs": 0.0}
    facts = narrow | {"timesteps": 1, "test_images": 10_000, "train_cpu_seconds": 900.0}
    rows = [result(method=m, top1=top1, **facts) for m, top1 in (("ann", 90.0), ("ann@epochs=4", 81.0))]
    report = reports.read([write_rows(tmp_path / "rows.csv", *rows)])
    by_title = {table.title: {row[0].text for row in table.rows} for table in report.contents.tables}
    assert by_title["Accuracy, preact-resnet18-narrow on cifar10 (%), scale workstation, n = 1 seed"] == {"ann"}
    assert by_title["preact-resnet18-narrow on cifar10, scale workstation, n = 1 seed"] == {"ann", "ann@epochs=4"}
    (record,) = [table for table in report.contents.tables if table.badge == "records"]
    assert record.rows[0][1].link == "run-cifar10-preact-resnet18-narrow-workstation-ann-T1"


def test_a_card_has_the_settings_that_are_not_the_defaults_and_those_stand_on_the_page_once(tmp_path: Path) -> None:
    text = page(tmp_path, result(method="ann", timesteps=1))

    def settings_of(name: str) -> dict[str, str]:
        card = text[text.index(f'card" id="{name}">') :].partition("</details>")[0]
        return dict(re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", card))

    defaults, trained = settings_of("defaults"), settings_of("run-digits-tiny-laptop-ann-T1")
    assert text.count('id="defaults"') == 1
    assert (defaults["momentum"], defaults["loss"]) == ("0.9", "cross-entropy")
    assert {"momentum", "loss", "drops"}.isdisjoint(trained)
    assert "source" in trained
    recipe = asdict(resolve(Run("digits", "tiny", "ann", 1, 0, "laptop")))
    for name in ("epochs", "batch_size", "learning_rate"):
        assert trained[name] == str(recipe[name])
    told = {**defaults, **trained}
    assert all(
        told[name] == str(value)
        for name, value in recipe.items()
        if name in Recipe.__annotations__
        and value not in (None, ())
        and not isinstance(value, dict)
        and name != "sources"
    )


@pytest.mark.parametrize(("steps", "shown"), [((1, 2, 4), (1, 2, 4)), (range(1, 12), (1, 3, 5, 7, 9, 11))])
def test_a_table_of_layers_has_six_t_at_most_and_names_the_others(steps: Sequence[int], shown: Sequence[int]) -> None:
    known = [{"key": f"k{t}", "layer": "stem", "kind": "ac", "timesteps": t, "operations": 1000.0 * t} for t in steps]
    layers = pd.DataFrame(known).assign(output_spikes=1.0, output_neurons=10.0)
    frame = pd.DataFrame([conversion(timesteps=t, key=f"k{t}") for t in steps])
    (table,) = layers_of(frame, layers).values()
    assert [column.label for column in table.columns[2::2]] == [f"T={t}" for t in shown]
    assert [cell.text for cell in table.rows[0][2::2]] == [f"{t},000" for t in shown]
    left = [str(t) for t in steps if t not in shown]
    assert (f"T = {', '.join(left)} too" in table.notes[0]) == bool(left)


def test_layers_are_those_of_the_best_founded_scale_of_a_method() -> None:
    rows = [
        result(key="short", scale="laptop"),
        result(key="long", scale="workstation"),
        result(key="more", scale="workstation", timesteps=8),
        result(key="other", scale="laptop", method="dsr-lif"),
        result(key="unknown", scale="paper"),
    ]
    layers = pd.DataFrame({"key": ["short", "long", "more", "other"]})
    assert best_founded(pd.DataFrame(rows), layers)["key"].tolist() == ["long", "more", "other"]
    assert best_founded(pd.DataFrame(rows), layers[:0]).empty

"""`dsr-bench list`: all names; networks with parameters and multiply-accumulates."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from rich.console import Console
from rich.table import Table

from benchmarks import catalogue
from benchmarks.campaigns import CAMPAIGNS, Campaign
from benchmarks.catalogue.networks import WITH_FEEDBACK
from benchmarks.data import DATASETS
from benchmarks.method import Method
from benchmarks.methods import METHODS
from benchmarks.networks import NETWORKS, build
from benchmarks.operations.structure import structure
from benchmarks.sweeps import SWEEPS


def show(console: Console) -> None:
    """Five tables."""
    _print(console, "Sweeps", ("name", "what"), _sweeps())
    title = "Campaigns (runs in this order, most valuable first; of a group, seed 0 of all blocks before seed 1)"
    _print(console, title, ("name", "what"), [(name, _groups(campaign)) for name, campaign in CAMPAIGNS.items()])
    _print(console, "Data sets", ("name", "what"), [(name, source.title) for name, source in DATASETS.items()])
    _print(console, "Methods", ("name", "what"), [(name, _title(method)) for name, method in METHODS.items()])
    title = "Networks (10 classes, 3 x 32 x 32; MACs per time step)"
    heads = ("name", "parameters", "MACs", "without padding", "")
    _print(console, title, heads, [_size(name) for name in NETWORKS])


def _title(method: Method) -> str:
    return f"{method.title}; runs on networks with a feedback loop only" if method.feedback else method.title


def _sweeps() -> list[tuple[str, ...]]:
    return [
        (
            name,
            f"{sweep.title}\nT = {_listed(sweep.timesteps)}; seeds {_listed(sweep.seeds)}\n{_listed(sweep.methods)}\n",
        )
        for name, sweep in SWEEPS.items()
    ]


def _groups(campaign: Campaign) -> str:
    """A line per block, groups numbered from 1."""
    lines = [campaign.title]
    for number, group in enumerate(campaign.groups, 1):
        for block in filter(lambda block: block.methods, group):
            seeds, steps, networks = map(_listed, (block.seeds, block.timesteps, *block.networks.values()))
            where = f"seeds {seeds}; T = {steps}; {networks} on {block.dataset}"
            lines.append(f"{number}. {block.title}: {_listed(block.methods)}; {where}")
    return "\n".join(lines)


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))


def _size(name: str) -> tuple[str, ...]:
    method = catalogue.reference(name)
    network = build(name, method, 1, 10).eval()
    parameters = sum(parameter.numel() for parameter in network.parameters())
    layers = structure(network, torch.zeros(1, 3, 32, 32)).layers
    padded, exact = sum(la.padded_macs for la in layers), sum(la.dense_macs for la in layers)
    remark = "feeds back" if name in WITH_FEEDBACK else ""
    return name, f"{parameters / 1e6:.3f} M", f"{padded / 1e6:.2f} M", f"{exact / 1e6:.2f} M", remark


def _print(console: Console, title: str, heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    table = Table(title=title, title_justify="left", box=None, header_style="dim", pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table, "")

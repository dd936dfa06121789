"""`dsr-bench data`: which data sets are here, whether they are complete, and how to get the others."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

from benchmarks.cli.display import packing
from benchmarks.data import DATASETS, EventData, ImageFiles, Streamed, load, packed
from benchmarks.data.download import OFFICIAL, by_hand, fetch
from benchmarks.data.events import frames
from benchmarks.data.events.recordings import Recordings
from benchmarks.data.whole import counted, part_of
from benchmarks.spec import BadInput, Recipe, require

EVERYTHING = Recipe(epochs=0, batch_size=1, learning_rate=0.0)
"""A recipe that uses all images."""


def show(console: Console) -> int:
    """Print one line per data set: how much of it is here, its digest, and what it is."""
    root = packed.root()
    table = Table(
        title=escape(f"Data root: {root}"), title_justify="left", box=None, header_style="dim", pad_edge=False
    )
    table.add_column("name", no_wrap=True)
    for head in ("state", "SHA-256", "what"):
        table.add_column(head, overflow="fold")
    for name, source in DATASETS.items():
        table.add_row(name, *_state(name, root), source.title)
    console.print(table)
    return 0


def get(name: str, console: Console) -> int:
    """Download a data set, or the one it is made from, unless it is here. Raises BadInput where that is impossible."""
    require(name, DATASETS, "dataset")
    root = packed.root()
    if needs := missing(name, root):
        return _fetched(needs, root, console)
    try:
        _found(name, root)
    except BadInput as error:
        again = f"; or remove {root / name} and call this again" if name in OFFICIAL else ""
        raise BadInput(f"{error}; {by_hand(name)}{again}") from None
    where = (
        f"is already here: {root / name}" if (root / name).is_dir() else f"needs no download: {DATASETS[name].title}"
    )
    console.print(escape(f" {name} {where}; `dsr-bench data verify {name}` checks it"), highlight=False, soft_wrap=True)
    return 0


def _fetched(name: str, root: Path, console: Console) -> int:
    if name not in OFFICIAL:
        raise BadInput(f"{name} cannot be downloaded: its licence asks you to get it yourself; {by_hand(name)}")
    console.print(escape(f" fetching {name} into {root / name}; or {by_hand(name)}"), highlight=False, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(name, total=None)
        fetch(name, root / name, lambda done, of: bar.update(task, completed=done, total=of))
    return verify(name, console)


def verify(name: str | None, console: Console) -> int:
    """Read a whole data set, or every one that is here, and compare checksums. Exit code 1 if one is damaged."""
    root = packed.root()
    names = [require(name, DATASETS, "dataset")] if name else there(root)
    code = 0
    for each in names:
        try:
            console.print(
                f" [green]ok[/]   {each}: {escape(_checked(console, each, root))}", highlight=False, soft_wrap=True
            )
        except BadInput as error:
            console.print(f" [red]bad[/]  {escape(str(error))}", highlight=False, soft_wrap=True)
            code = 1
    return code


def there(root: Path) -> list[str]:
    """The data sets that the data root holds at least a part of, and those that need no files."""
    return [name for name in DATASETS if not missing(name, root)]


def missing(name: str, root: Path | None = None) -> str:
    """The set that would have to be downloaded for it; empty for one that is here or embedded.

    `root`: the data root; None asks for it where the data set needs one, and raises BadInput if it is not found.
    """
    needs = DATASETS[name].entry.made_of or name
    if needs not in OFFICIAL and not isinstance(DATASETS[needs], ImageFiles):
        return ""
    return "" if ((root or packed.root()) / needs).is_dir() else needs


def _state(name: str, root: Path) -> tuple[str, str]:
    if needs := missing(name, root):
        return f"not found: `dsr-bench data get {needs}`", ""
    try:
        return _found(name, root)
    except BadInput as error:
        return f"[red]{escape(str(error))}[/]", ""


def _found(name: str, root: Path) -> tuple[str, str]:
    """How much of a data set is here, in words, and its digest. Raises BadInput for data that cannot be used."""
    source = DATASETS[name]
    if isinstance(source, EventData):
        recordings = source.find(root)
        counts, what, digest = (len(recordings.train), len(recordings.test)), "recordings", ""
        packs = ", ".join(_pack(place, recordings) for place in frames.places(root / name))
    else:
        data = load(name, EVERYTHING)
        counts, what, digest, packs = (len(data.train.labels), len(data.test.labels)), "images", data.sha256[:12], ""
    of = part_of(name, *counts)
    how_much = f", a part of {of}" if of else ", whole"
    return f"{counted(*counts)} {what}{how_much}" + (f"; packed: {packs}" if packs else ""), digest


def _checked(console: Console, name: str, root: Path) -> str:
    if needs := missing(name, root):
        raise BadInput(f"{name} not found: `dsr-bench data get {needs}`")
    source = DATASETS[name]
    if not isinstance(source, EventData):
        data = load(name, EVERYTHING)
        for split in (data.train, data.test):
            if isinstance(split, Streamed):
                _decode(console, name, split)
        count = counted(len(data.train.labels), len(data.test.labels))
        return f"{count} images, {data.source}, SHA-256 {data.sha256[:12]}"
    found = source.find(root)
    everything = (*found.train, *found.test) if name in OFFICIAL else ()  # what is simulated has no files
    with packing(console, f"{name}: reading") as on_recording:
        for at, (_, recording) in enumerate(everything, 1):
            found.read(recording)
            on_recording(at, len(everything))
    used, unused = _used(frames.places(root / name), found)
    contents = found.contents() if used else ""
    for place in used:
        frames.verify(place, contents)
    others = f"; of other recordings, and read by nothing: {', '.join(map(str, unused))}" if unused else ""
    return f"{found.title}; {len(everything):,} files read, {len(used)} packed folders{others}"


def _pack(place: Path, recordings: Recordings) -> str:
    """`T20`, and whether these frames will be used; recordings are not read for it."""
    steps = int(frames.of_steps(place)[1:])
    if not frames.is_used(place, recordings):
        return f"T{steps} (of other recordings)"
    return f"T{steps}" if frames.is_packed(recordings, steps) else f"T{steps} (recordings were written to since)"


def _used(places: list[Path], recordings: Recordings) -> tuple[list[Path], list[Path]]:
    """The packed folders of these recordings, and those of others."""
    used = [place for place in places if frames.is_used(place, recordings)]
    return used, [place for place in places if place not in used]


def _decode(console: Console, name: str, split: Streamed) -> None:
    """Every image of a split, by workers. Raises BadInput for the first one that is damaged."""
    done = 0
    with packing(console, f"{name}: decoding") as on_image:
        for _, labels in split.batches(100):
            done += len(labels)
            on_image(done, len(split.labels))

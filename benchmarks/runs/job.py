"""A run and all that follows from it: worked out once, when runs are planned, and passed on from there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.recipes import resolve
from benchmarks.runs import store
from benchmarks.runs.identity import in_order, key_of, parent_of
from benchmarks.runs.record import Result
from benchmarks.spec import Recipe, Run


@dataclass(frozen=True)
class Job:
    """A run, its resolved recipe, the job whose weights it starts from (None: from scratch), its key, its directory.

    The directory need not exist yet.
    """

    run: Run
    recipe: Recipe
    parent: Job | None
    key: str
    place: Path

    def __hash__(self) -> int:
        return hash((self.key, self.place))  # a recipe holds mappings, which have no hash

    def __str__(self) -> str:
        return str(self.run)

    @property
    def parent_key(self) -> str | None:
        return self.parent.key if self.parent else None

    def describe(self, sweep: str | None) -> None:
        """Make the directory and write `run.json`, as `store.describe` does."""
        store.describe(self.place, self.run, self.recipe, self.key, self.parent_key, sweep)

    def result(self) -> Result | None:
        """The result, if the run has ended, successfully or not."""
        return store.result_in(self.place)

    def is_done(self) -> bool:
        """Whether the run has succeeded in this results folder, and its parent has not been trained again since."""
        return store.has_ended_well(self.place, self.parent.place if self.parent else None)

    def has_weights(self) -> bool:
        """Whether the trained network is here, for children to start from."""
        return (self.place / store.NETWORK).exists()

    def at(self, run: Run) -> Job:
        """The job of another run that has the same recipe and parent, for example one with other timesteps."""
        name = key_of(run, self.recipe, self.parent_key)
        return replace(self, run=run, key=name, place=store.place_of(self.results, run, name))

    @property
    def results(self) -> Path:
        """The results folder."""
        return store.results_of(self.place)


def job_of(run: Run, results: Path) -> Job:
    """The job of a run, with the jobs that it descends from. Raises BadInput for an unknown method."""
    return _made(run, results, {})


def jobs_of(runs: Iterable[Run], results: Path) -> list[Job]:
    """The jobs of these runs and of their parents, in the order of `identity.in_order`: parents first."""
    known: dict[Run, Job] = {}

    def parent(run: Run) -> Run | None:
        origin = _made(run, results, known).parent
        return origin.run if origin else None

    return [_made(run, results, known) for run in in_order(runs, parent)]


def _made(run: Run, results: Path, known: dict[Run, Job]) -> Job:
    """`known`: what has been worked out so far. Runs of one parent share its job."""
    if run not in known:
        recipe = resolve(run)
        origin = parent_of(run, recipe)
        parent = _made(origin, results, known) if origin else None
        name = key_of(run, recipe, parent.key if parent else None)
        known[run] = Job(run, recipe, parent, name, store.place_of(results, run, name))
    return known[run]

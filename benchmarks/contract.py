"""`dsr-bench check METHOD`: what the suite relies on in a method, and which of it a method does not keep."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from benchmarks.clauses import CLAUSES, Clause


def report(console: Console, method: str) -> int:
    """Print every clause and why it is broken, if it is; 1 if one is."""
    kept = 0
    for clause in CLAUSES:
        trouble, promise = broken(clause, method), (clause.__doc__ or "").rstrip(".")
        kept += not trouble
        mark, said = ("[red]✗[/]", f": [red]{escape(trouble)}[/]") if trouble else ("[green]✓[/]", "")
        console.print(f" {mark} {promise}{said}", highlight=False, soft_wrap=True)
    console.print(f" {kept} of {len(CLAUSES)} clauses kept by [bold]{method}[/]", highlight=False)
    return int(kept < len(CLAUSES))


def broken(clause: Clause, method: str) -> str:
    """Why a clause is broken, in a line; empty where it is kept."""
    try:
        clause(method)
    except Exception as error:
        text = (str(error).strip().splitlines() or ["the assertion fails"])[0]
        return text if isinstance(error, AssertionError) else f"{type(error).__name__}: {text}"
    return ""

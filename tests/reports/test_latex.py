"""The LaTeX of a whole report goes through LaTeX, where there is one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import reports

RESULTS = Path(__file__).parents[2] / "results"
LATEX = shutil.which("pdflatex")
DOCUMENT = r"""\documentclass[twocolumn]{article}
\usepackage[utf8]{inputenc}\usepackage[T1]{fontenc}\usepackage{booktabs}\usepackage[landscape,margin=1cm]{geometry}
\extrafloats{100}\maxdeadcycles=1000
\begin{document}
\input{tables.tex}
\end{document}
"""


@pytest.mark.slow
@pytest.mark.skipif(LATEX is None, reason="pdflatex is not installed")
@pytest.mark.timeout(300)
def test_every_table_of_the_committed_results_compiles(tmp_path: Path) -> None:
    files = [RESULTS / name for name in ("cifar10.csv", "imagenet.csv", "stbp-variants.csv")]
    studies = [RESULTS / "quantization.csv"]
    reports.write(reports.read(files, sorted((RESULTS / "perf").glob("*.json")), studies, whole=True), tmp_path)
    (tmp_path / "all.tex").write_text(DOCUMENT)
    command = [LATEX, "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=800, check=False)  # type: ignore[arg-type]
    log = ended.stdout.decode(errors="replace")
    assert ended.returncode == 0, log[-1500:]
    assert (tmp_path / "all.pdf").stat().st_size > 10_000

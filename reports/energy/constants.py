"""The energy models' constants, and a file that replaces some of them: `dsr-bench report --energy FILE`.

    [fp32]                      # or int8, synop: constants of a model that is there
    mac_picojoules = 3.2
    [our-chip]                  # any other name: one more model in the tables
    name = "our chip, 28 nm"
    mac_picojoules = 1.1
    ac_picojoules = 0.2
    [memory]                    # memory access; access = "line" or "points"
    access = "points"

`fp32` is the model of the headline. What a file has changed says so wherever it is printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from benchmarks.files import toml_files
from benchmarks.spec import BadInput, is_number, one_line, require, shown
from reports.energy.lemaire import MemoryModel
from reports.energy.models import FP32_45NM, INT8_45NM, SYNOP_77FJ, EnergyModel

MODELS = {"fp32": FP32_45NM, "int8": INT8_45NM, "synop": SYNOP_77FJ}
ACCESS = ("line", "points")
LARGEST = 1e12
"""Of all constants: one joule per operation."""
LISTS = ("point_bytes", "point_picojoules", "leaky")


@dataclass(frozen=True)
class Constants:
    """Models of arithmetic by section, `fp32` and `int8` among them, and the one with memory access."""

    models: Mapping[str, EnergyModel]
    memory: MemoryModel

    @property
    def headline(self) -> EnergyModel:
        """The model of the tables that show one energy."""
        return self.models["fp32"]


DEFAULT = Constants(MODELS, MemoryModel())


def read(path: Path | None) -> Constants:
    """The constants, with what a TOML file states in place of the defaults.

    Raises BadInput for a file that is none, a name that does not exist, and what is no positive number.
    """
    if path is None:
        return DEFAULT
    try:
        stated = toml_files.read(path)
    except (OSError, ValueError) as error:
        raise BadInput(f"cannot read {path}: {getattr(error, 'strerror', None) or one_line(error)}") from error
    models = dict(MODELS)
    for section, values in stated.items():
        if not isinstance(values, dict):
            raise BadInput(f"{path}: {shown(section, quoted=False)} stands outside of a [section]")
        if not section.isprintable():
            raise BadInput(f"{path}: [{shown(section)}] is no name of a model")
        if section != "memory":
            models[section] = _model(section, values, path)
    return Constants(models, _memory(stated.get("memory", {}), path))


def _model(section: str, values: dict[str, Any], path: Path) -> EnergyModel:
    known = MODELS.get(section)
    _check(section, values, EnergyModel, path)
    if known:
        return replace(known, **{"name": f"{known.name}, changed in {path.name}"} | values)
    if missing := {"mac_picojoules", "ac_picojoules"} - values.keys():
        raise BadInput(f"{path}: [{section}] lacks {' and '.join(sorted(missing))}")
    return EnergyModel(**{"name": section} | values)


def _memory(values: dict[str, Any], path: Path) -> MemoryModel:
    if not values:
        return MemoryModel()
    _check("memory", values, MemoryModel, path)
    listed = {name: tuple(value) for name, value in values.items() if name in LISTS}
    model = replace(MemoryModel(), **{"name": f"{MemoryModel.name}, changed in {path.name}"} | values | listed)
    require(model.access, ACCESS, f"access in {path}")
    sizes, costs = model.point_bytes, model.point_picojoules
    if len(sizes) != len(costs) or list(sizes) != sorted(set(sizes)):
        raise BadInput(f"{path}: [memory] point_bytes must ascend, and point_picojoules have as many values")
    return model


def _check(section: str, values: dict[str, Any], of: type[EnergyModel] | type[MemoryModel], path: Path) -> None:
    defaults = asdict(MemoryModel())
    for name, value in values.items():
        require(name, [f.name for f in fields(of)], f"constant in [{section}] of {path}")
        texts = name in ("name", "access")
        given = value if name in LISTS and isinstance(value, list) else [value]
        kind = str if texts or name == "leaky" else float
        if (name in LISTS) != isinstance(value, list) or not all(_is(kind, one) for one in given):
            like = defaults.get(name, 4.6)
            raise BadInput(f"{path}: [{section}] {name} must be like {like!r}, not {shown(value)}")


def _is(kind: type[str] | type[float], value: Any) -> bool:
    """Text, or a number that an energy or a size can be."""
    if kind is str:
        return isinstance(value, str) and value.isprintable()
    return is_number(value) and 0 <= value <= LARGEST

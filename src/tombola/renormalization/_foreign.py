"""Levels of pruning that another program left behind, read from their files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from tombola.interchange import read_state
from tombola.masks import Masks

SUFFIXES = (".pt", ".pth", ".pth.tar", ".safetensors", ".npz")
INITIAL = ("initial", "rewind")  # names of a file of weights that were never trained
NUMBER = re.compile(r"\d+")

Tensors = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class ForeignLevels:
    """The levels that are in a folder.

    Attributes:
        numbers: of the levels, as the names of the files have them, ascending.
        levels: weights and masks of each, as `flow_of` takes them. Masks are of what is pruned at some level.
        has_weights: whether there are weights; if not, those of the levels are all 1, so that magnitudes are counts.
        initial: weights before training, of a file named `initial` or `rewind`; None without one.
        remarks: what should be known, in words.
    """

    numbers: tuple[int, ...]
    levels: tuple[tuple[Tensors, Masks], ...]
    has_weights: bool
    initial: Tensors | None
    remarks: tuple[str, ...]


def read_levels(folder: str | os.PathLike[str]) -> ForeignLevels:
    """The levels of pruning in a folder of state dicts or masks, one file or more for each level.

    Files are `.pt`, `.pth` and `.pth.tar` of `torch.save`, read as tensors only, `.safetensors` and `.npz`, in the
    folder or below it. The level is the one number by which names of files differ, as in `level_0/mask.pth` and
    `level_1/mask.pth`. Masks are tensors named `..._mask`, beside `..._orig` as `torch.nn.utils.prune` leaves them, or
    all tensors of a file with `mask` in its name that holds zeros and ones alone. Where there are none, weights that
    are exactly zero are pruned ones, in parameters with two axes or more and zeros at some level.

    Args:
        folder: of one run.

    Raises:
        FileNotFoundError: if there is no such folder, or no such file in it.
        ValueError: if the number of the level is not clear, a file cannot be read, or nothing is pruned.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> place = Path(tempfile.mkdtemp())
        >>> for level, weight in enumerate([[3.0, -1.0], [3.0, 0.0]]):
        ...     np.savez(place / f"level{level}.npz", **{"fc.weight": np.array([weight])})
        >>> [masks["fc.weight"].tolist() for _, masks in read_levels(place).levels]
        [[[True, True]], [[True, False]]]
    """
    place = Path(folder)
    files, initial = _files(place)
    read = {number: _merged(paths) for number, paths in sorted(_by_level(place, files).items())}
    numbers = tuple(read)
    names = _pruned(place, list(read.values()))
    levels = tuple(_level(place, number, *read[number], names) for number in numbers)
    has_weights = all(weights for weights, _ in levels)
    missing = sorted(set(range(numbers[0], numbers[-1] + 1)) - set(numbers))
    remarks = [] if has_weights else ["there are masks without weights: exponents are those of counts"]
    if missing:
        shown = ", ".join(map(str, missing))
        remarks.append(f"missing in {place}: level {shown}; times are those of the densities that are there")
    if not has_weights:
        levels = tuple(({name: mask.double() for name, mask in masks.items()}, masks) for _, masks in levels)
    before = None if initial is None else _weights_of(initial, names)
    return ForeignLevels(numbers, levels, has_weights, before, tuple(remarks))


def _files(folder: Path) -> tuple[list[Path], Path | None]:
    """The files that are read, and that of the weights before training."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: there is no such folder")
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name.endswith(SUFFIXES))
    initial = [path for path in files if path.name.partition(".")[0] in INITIAL]
    files = [path for path in files if path not in initial]
    if not files:
        raise FileNotFoundError(f"{folder} holds no levels: no file ends in {', '.join(SUFFIXES)}")
    if len(initial) > 1:
        raise ValueError(f"{initial[0]} and {initial[1]} are both weights before training; keep one of them")
    return files, initial[0] if initial else None


def _by_level(folder: Path, files: Iterable[Path]) -> dict[int, list[Path]]:
    """The files of each level: of names that are the same but for numbers, one number varies."""
    alike: dict[str, dict[tuple[int, ...], Path]] = {}
    for path in files:
        name = path.relative_to(folder).as_posix()
        found = tuple(map(int, NUMBER.findall(name)))
        alike.setdefault(NUMBER.sub("#", name), {})[found] = path
    levels: dict[int, list[Path]] = {}
    for form, paths in alike.items():
        columns = [i for i, values in enumerate(zip(*paths, strict=True)) if len(set(values)) > 1]
        if len(columns) > 1 or (not columns and form.count("#") != 1):
            shown = ", ".join(sorted(path.name for path in paths.values())[:3])
            wanted = "wanted names that differ by the number of the level alone, as level_0.pt and level_1.pt"
            raise ValueError(f"{folder}: which number is the level is not clear in {shown}; {wanted}")
        for values, path in paths.items():
            levels.setdefault(values[columns[0] if columns else 0], []).append(path)
    return levels


def _merged(paths: Iterable[Path]) -> tuple[Tensors, Masks]:
    """Weights and masks of the files of one level."""
    weights: Tensors = {}
    masks: Masks = {}
    origin: dict[tuple[bool, str], Path] = {}
    for path in paths:
        tensors = read_state(path)
        is_mask = "mask" in path.name.lower() and all(bool(((v == 0) | (v == 1)).all()) for v in tensors.values())
        for name, value in tensors.items():
            plain, masks_it = name.removesuffix("_orig").removesuffix("_mask"), is_mask or name.endswith("_mask")
            other = origin.setdefault((masks_it, plain), path)
            if other != path:
                raise ValueError(f"{other} and {path} both have {plain!r} of one level; name the folder of one run")
            if masks_it:
                masks[plain] = value != 0
            elif value.is_floating_point():
                weights[plain] = value
    return weights, masks


def _pruned(folder: Path, levels: list[tuple[Tensors, Masks]]) -> list[str]:
    """The parameters that are pruned at some level, in the order of their files."""
    names = dict.fromkeys(name for _, masks in levels for name in masks)
    if not names:
        names = dict.fromkeys(
            name
            for weights, _ in levels
            for name, value in weights.items()
            if value.ndim > 1 and bool((value == 0).any())
        )
    if not names:
        raise ValueError(f"{folder}: nothing is pruned: no masks, and no weight that is exactly zero")
    return list(names)


def _level(folder: Path, number: int, weights: Tensors, masks: Masks, names: list[str]) -> tuple[Tensors, Masks]:
    """A level with a mask for every name; by its zeros if it has no masks."""
    found = {}
    for name in names:
        if name not in masks and name not in weights:
            raise ValueError(f"{folder}: level {number} has no {name!r}, which another level prunes")
        found[name] = masks[name] if name in masks else weights[name] != 0
        if name in weights and weights[name].shape != found[name].shape:
            shapes = f"{tuple(found[name].shape)} and {tuple(weights[name].shape)}"
            raise ValueError(f"{folder}: level {number}: mask and weights of {name!r} have the shapes {shapes}")
    return {name: weights[name] for name in names if name in weights}, found


def _weights_of(path: Path, names: Iterable[str]) -> Tensors:
    """The weights before training of what is pruned."""
    weights, _ = _merged([path])
    if missing := [name for name in names if name not in weights]:
        raise ValueError(f"{path} has no {missing[0]!r}, which is pruned")
    return {name: weights[name] for name in names}

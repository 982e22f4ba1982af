"""`tombola recommend`: what every construction would need for a target."""

from __future__ import annotations

from typing import Any

from . import _construct_options as options
from ._options import AsJson, Inputs, ModelName, example_of, input_set, read_target
from ._output import print_json, print_next, print_table, shown
from ._progress import progress


def recommend(
    target: options.TargetPath,
    weight_epsilon: options.WeightEpsilon = 0.01,
    absolute: options.Absolute = False,
    inputs: options.InputsName = Inputs.AUTO,
    radius: options.Radius = 1.0,
    model: ModelName = None,
    as_json: AsJson = False,
) -> None:
    """Predict depth, width and parent of every construction that takes the target, the smallest parent first."""
    from tombola import strong

    saved = read_target(target, model)
    tolerance = strong.Tolerance(weight_epsilon, absolute=absolute)
    with progress("measuring on a sample of the weights"):
        found = strong.recommend(
            saved.model, example_of(saved), tolerance=tolerance, inputs=input_set(inputs, radius, saved)
        )
    records: list[dict[str, Any]] = [
        {
            "construction": spelled(one.name),
            "depth": one.depth,
            "widths": list(one.widths),
            "source_parameters": one.source_parameters,
            "over_bound": one.over_bound,
            "basis": one.basis,
            "reason": one.reason,
        }
        for one in found
    ]
    if as_json:
        print_json({"target": str(target), "constructions": records})
        return
    rows = [
        [
            record["construction"],
            str(record["depth"]),
            f"{record['source_parameters']:,}",
            shown(record["over_bound"]),
            record["basis"],
            record["reason"],
        ]
        for record in records
    ]
    header = ["construction", "layers", "weights of the parent", "over the bound", "by", "take it for"]
    print_table(f"what {target} needs, the smallest parent first", rows, header=header)
    name = records[0]["construction"]
    print_next("tombola", "construct", target, "--construction", name, "-o", target.with_suffix(".ticket"))


def spelled(name: str) -> str:
    """A construction's name as the command line takes it.

    Example:
        >>> spelled("fixed_size(3)")
        'fixed-size:3'
    """
    return name.replace("_", "-").replace("(", ":").removesuffix(")")

"""What is compared."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Method:
    """A way to masks.

    Attributes:
        score: the criterion by name.
        temperature: of the draw, 0 keeps the largest scores.
        noise: whether noise with random labels is scored instead of images.
        rounds: of scoring.
        erk: whether layers keep what the allocation of this name gives them.
        change: "shuffled" within layers, or "redrawn", with weights other than those that were scored.
    """

    score: str
    temperature: float = 0.0
    noise: bool = False
    rounds: int = 1
    erk: bool = False
    change: str = ""

    @property
    def name(self) -> str:
        """All that differs from the largest scores of one round on images."""
        parts = [LABELS[self.score] + (" on noise" if self.noise else "")]
        parts += ["ERK"] if self.erk else []
        parts += [f"{self.rounds} rounds"] if self.rounds > 1 else []
        parts += [f"T = {self.temperature:g}"] if self.temperature else []
        return ", ".join([*parts, *([self.change] if self.change else [])])


LABELS = {"random": "random", "magnitude": "magnitude", "synflow": "SynFlow", "snip": "SNIP", "grasp": "GraSP"}
FAMILIES = [  # cut at T = 0, and drawn
    Method("magnitude"),
    Method("synflow"),
    Method("snip", noise=True),
    Method("grasp", noise=True),
    Method("snip"),
    Method("grasp"),
]
TEMPERATURES = {"grasp": (0.0, 1.0)} | dict.fromkeys(("magnitude", "synflow", "snip"), (0.0, 1.0, 0.5))
MANY = Method("synflow", rounds=100)
CONTROLS = [
    Method(one.score, rounds=one.rounds, change=change)
    for one in (MANY, Method("snip"))
    for change in ("shuffled", "redrawn")
]


def drawn(family: Method, temperature: float) -> Method:
    """The same criterion at another temperature."""
    return Method(family.score, temperature, family.noise)


METHODS = [
    Method("random"),
    Method("random", erk=True),
    *(drawn(family, temperature) for family in FAMILIES for temperature in TEMPERATURES[family.score]),
    MANY,
    *CONTROLS,
]

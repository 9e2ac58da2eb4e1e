"""Specimens: an endless graphene sheet, and what may be wrong with it. Lengths in Angstrom, vectors (y, x)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.errors import ConfigError

Float = NDArray[np.float64]
LATTICE_A = 2.46  # graphene at room temperature; bonds of 1.42 Angstrom
ORIGIN = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Crystal:
    """A two-dimensional crystal: lattice vectors [2, 2] (rows, each (y, x)) and atoms of one cell."""

    lattice_angstrom: Float
    motif: Mapping[str, Float]  # element -> positions [n, 2]

    def turned(self, matrix_yx: Float) -> Crystal:
        """The crystal in axes to which `matrix_yx` leads."""
        motif = {symbol: atoms @ matrix_yx.T for symbol, atoms in self.motif.items()}
        return Crystal(self.lattice_angstrom @ matrix_yx.T, motif)


@dataclass(frozen=True, slots=True)
class Wall:
    """A fold in the sheet along y at x = 0: u_y = shear * width * ln cosh(x / width).

    Far from it both domains are sheared by +-`shear`, that is strained and rotated by +-atan(shear / 2).
    """

    shear: float = 0.12
    width_angstrom: float = 3.0

    def displacement_angstrom(self, x: Float) -> Float:
        """Displacement along y at `x`."""
        scaled = np.abs(x) / self.width_angstrom
        return self.shear * self.width_angstrom * (scaled + np.log1p(np.exp(-2 * scaled)) - math.log(2))

    def rotation_rad(self, x: Float) -> Float:
        """Rotation of the lattice at `x`: the polar part of the deformation gradient [[1, 0], [s, 1]]."""
        turned: Float = np.arctan(self.shear * np.tanh(x / self.width_angstrom) / 2)
        return turned


@dataclass(frozen=True, slots=True)
class Specimen:
    """A crystal sheet with at most one atom changed at the origin and at most one wall."""

    name: str
    crystal: Crystal
    removed: bool = False
    substitute: str | None = None
    wall: Wall | None = None

    @property
    def periodic(self) -> bool:
        """Whether it is the crystal and nothing else."""
        return not (self.removed or self.substitute or self.wall)

    @property
    def defects(self) -> tuple[tuple[str, float, float], ...]:
        """(kind, y, x) of point defects."""
        if self.removed:
            return (("vacancy", *ORIGIN),)
        return ((f"substitution {self.substitute}", *ORIGIN),) if self.substitute else ()

    def rotation_rad(self, positions: Float) -> Float:
        """Rotation of the lattice at `positions` [..., 2] against the undisturbed crystal."""
        return self.wall.rotation_rad(positions[..., 1]) if self.wall else np.zeros(positions.shape[:-1])

    def atoms_within(self, center: Float, radius: float) -> dict[str, Float]:
        """Element -> positions [n, 2] of the atoms within `radius` of `center`."""
        # The wall moves atoms along y by less than shear * |x|.
        reach = radius + (self.wall.shear * (abs(center[1]) + radius) if self.wall else 0.0)
        found = {symbol: self._displaced(atoms) for symbol, atoms in _tiled(self.crystal, center, reach).items()}
        near = {symbol: atoms[np.linalg.norm(atoms - center, axis=1) <= radius] for symbol, atoms in found.items()}
        return self._with_defect(near, center, radius)

    def _displaced(self, atoms: Float) -> Float:
        if self.wall is None:
            return atoms
        return np.stack([atoms[:, 0] + self.wall.displacement_angstrom(atoms[:, 1]), atoms[:, 1]], -1)

    def _with_defect(self, atoms: dict[str, Float], center: Float, radius: float) -> dict[str, Float]:
        if not self.defects or np.linalg.norm(center) > radius:
            return atoms
        kept = {symbol: places[np.linalg.norm(places, axis=1) > 1e-6] for symbol, places in atoms.items()}
        if self.substitute:
            kept[self.substitute] = np.zeros((1, 2))
        return kept


def _tiled(crystal: Crystal, center: Float, radius: float) -> dict[str, Float]:
    reciprocal = np.linalg.inv(crystal.lattice_angstrom)  # columns: lengths of the dual vectors bound the indices
    spread = radius * np.linalg.norm(reciprocal, axis=0) + 2
    middle = center @ reciprocal
    first, second = (np.arange(math.floor(m - s), math.ceil(m + s) + 1) for m, s in zip(middle, spread, strict=True))
    indices = np.stack(np.meshgrid(first, second, indexing="ij"), -1).reshape(-1, 2)
    nodes = indices @ crystal.lattice_angstrom
    return {symbol: (nodes[:, None] + motif).reshape(-1, 2) for symbol, motif in crystal.motif.items()}


def graphene(lattice_angstrom: float = LATTICE_A) -> Crystal:
    """Graphene with an atom at the origin and zigzag rows along x."""
    bond = lattice_angstrom / math.sqrt(3)
    lattice = np.array([[0.0, lattice_angstrom], [1.5 * bond, 0.5 * lattice_angstrom]])
    return Crystal(lattice, {"C": np.array([[0.0, 0.0], [bond, 0.0]])})


SPECIMENS: dict[str, Specimen] = {
    specimen.name: specimen
    for specimen in (
        Specimen("graphene", graphene()),
        Specimen("graphene-vacancy", graphene(), removed=True),
        Specimen("graphene-silicon", graphene(), substitute="Si"),
        Specimen("graphene-wall", graphene(), wall=Wall()),
    )
}


def named_specimen(name: str) -> Specimen:
    """The specimen called `name`. Raises ConfigError."""
    if name not in SPECIMENS:
        raise ConfigError(f"no specimen {name!r}; there are {', '.join(SPECIMENS)}, or give a structure file")
    return SPECIMENS[name]

"""What a network answers about faces of which parts are hidden: what an explainer is taught with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ferviz.attribution.maps.resize import cell_shares, resize_maps
from ferviz.attribution.methods.kernel_shap import draw_coalitions
from ferviz.attribution.methods.region_shapley import log_odds
from ferviz.attribution.request import LazyMasks, MethodInput
from ferviz.engines.base import INPUT
from ferviz.faces.face import Face
from ferviz.faces.landmarks.ladder import locate_landmarks
from ferviz.faces.regions import REGIONS, FaceRegions
from ferviz.files import atomic
from ferviz.models.model import Model

Array = npt.NDArray[np.float32]

CELLS = 12
"""Rows and columns of a taught map."""

PATCHES = 6
"""Rows and columns of the patches that are hidden; their borders are soft, as for the method "shapley"."""

FILLS = ("harmonic", "mean")
"""What stands where faces are hidden while an explainer is taught: the two that differ most; the third, the blur, lies between them."""

CONCLUSIVE = ("mean", "blur", "harmonic")
"""All fills under which a conclusion has to hold; the first that an explainer did not learn with tests it."""

_BATCH = 64


@dataclass(frozen=True, eq=False)
class CoalitionScores:
    """A network's answers about N faces of which parts are hidden, in pairs: what one picture of a pair shows, the other hides.

    Attributes:
        faces: (N,) int64, the faces' numbers.
        region_members: (N, P, R) bool, the regions that the first picture of each of P pairs shows.
        patch_members: (N, Q, PATCHES^2) bool, the same for Q pairs of patches.
        region_shares: (N, R, CELLS, CELLS) float16, how much of each cell of the map belongs to each region; the sum over regions is 1.
        seen: (N, K) float32, the logits of the whole faces.
        hidden: (N, K) float32, those of the faces that are hidden altogether.
        shown: (N, P + Q, K) float32, those of the first picture of each pair.
        covered: (N, P + Q, K) float32, those of the second.
    """

    faces: np.ndarray
    region_members: np.ndarray = field(repr=False)
    patch_members: np.ndarray = field(repr=False)
    region_shares: np.ndarray = field(repr=False)
    seen: Array = field(repr=False)
    hidden: Array = field(repr=False)
    shown: Array = field(repr=False)
    covered: Array = field(repr=False)

    def __len__(self) -> int:
        return len(self.faces)

    def shapes(self, classes: int) -> dict[str, tuple[int, ...]]:
        """Return the shape that each array has, by the number of faces and of pairs.

        Args:
            classes: of the network.
        """
        count = len(self.faces)
        regions, patches = (a.shape[1] if a.ndim == 3 else 0 for a in (self.region_members, self.patch_members))
        pairs = (count, regions + patches, classes)
        return {
            "faces": (count,), "region_members": (count, regions, len(REGIONS)), "patch_members": (count, patches, PATCHES**2),
            "region_shares": (count, len(REGIONS), CELLS, CELLS), "seen": (count, classes), "hidden": (count, classes),
            "shown": pairs, "covered": pairs,
        }  # fmt: skip

    def design(self) -> Array:
        """Return what half the difference of a pair's scores asks of a map, (N, P + Q, CELLS^2): its weighted sum over the cells."""
        regions = self.region_shares.reshape(len(self), len(REGIONS), -1).astype(np.float32)
        by_region = (self.region_members - np.float32(0.5)) @ regions
        by_patch = (self.patch_members - np.float32(0.5)) @ patch_shares().reshape(PATCHES**2, -1)
        return np.concatenate([by_region, by_patch], axis=1).astype(np.float32)

    def differences(self) -> Array:
        """Return half the difference of the scores of each pair, (N, P + Q, 2 K), see `outputs_of`."""
        halves: Array = (outputs_of(self.shown) - outputs_of(self.covered)) * np.float32(0.5)
        return halves

    def gains(self) -> Array:
        """Return what the scores gain from the hidden face to the whole one, (N, 2 K)."""
        return outputs_of(self.seen) - outputs_of(self.hidden)

    def save(self, path: Path) -> None:
        """Write the scores as one NPZ file, atomically.

        Args:
            path: of the file.
        """
        with atomic(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **{entry.name: getattr(self, entry.name) for entry in fields(self)})  # type: ignore[arg-type]


def outputs_of(logits: np.ndarray) -> Array:
    """Return the scores that a taught map explains: each class's log-odds against all others, then each class's logit.

    Contrasts of classes are weighted sums of logits, which log-odds cannot give.

    Args:
        logits: (..., K).

    Returns:
        (..., 2 K) float32.
    """
    classes = logits.shape[-1]
    flat = logits.reshape(1, -1, classes).astype(np.float64)
    odds = log_odds(flat, np.eye(classes)[None])[0].T
    return np.concatenate([odds.reshape(logits.shape), logits], axis=-1).astype(np.float32)


def answer_coalitions(
    model: Model, faces: Sequence[Face], numbers: np.ndarray, fill: str, pairs: tuple[int, int], seed: int
) -> CoalitionScores:
    """Ask a network about faces of which random regions and patches are hidden, drawn by the Shapley kernel.

    Args:
        model: the network.
        faces: N faces; those without landmarks get some.
        numbers: (N,), the faces' numbers, which with the seed decide what is hidden.
        fill: what stands there.
        pairs: how many pairs of pictures hide regions, and how many patches.
        seed: of the draw.
    """
    request = class_request(model, faces)
    height, width = request.batch.shape[1:3]
    regions = FaceRegions.of(locate_landmarks(faces), (height, width)).masks
    patches = patch_masks(height, width)
    draws = [(_draw(len(REGIONS), pairs[0], seed, n, 0), _draw(PATCHES**2, pairs[1], seed, n, 1)) for n in numbers]
    by_region, by_patch = (np.stack(members) for members in zip(*draws, strict=True))
    count = sum(pairs)

    def masks(sample: np.ndarray, index: np.ndarray) -> Array:
        result = np.empty((len(sample), height, width), np.float32)
        for row, (face, number) in enumerate(zip(sample, index, strict=True)):
            pair = number % count
            if pair < pairs[0]:
                members = by_region[face, pair].astype(np.float32)
                mask = np.tensordot(members, regions[face], 1)
            else:
                members = by_patch[face, pair - pairs[0]].astype(np.float32)
                mask = np.tensordot(members, patches, 1)
            result[row] = mask if number < count else 0 if number == 2 * count else 1 - mask
        return result

    used = np.ones((len(faces), 2 * count + 1), bool)
    logits = request.masked_logits(LazyMasks(used, masks), fill)
    return CoalitionScores(
        np.asarray(numbers, np.int64), by_region, by_patch, cell_shares(regions, CELLS).astype(np.float16), request.logits,
        logits[:, -1], logits[:, :count], logits[:, count:-1],
    )  # fmt: skip


def class_request(model: Model, faces: Sequence[Face]) -> MethodInput:
    """Return a request about every class of a network.

    Args:
        model: the network.
        faces: the faces.
    """
    pictures = model.input.resized([face.pixels for face in faces])
    classes = len(model.labels)
    weights = np.repeat(np.eye(classes, classes + 1, dtype=np.float32)[None], len(faces), axis=0)
    return MethodInput(model.engine, model.input.scaled(pictures), INPUT, weights, _BATCH, 0, pictures, model.input)


def patch_shares() -> Array:
    """Return how much of each cell of a taught map lies in each patch, (PATCHES^2, CELLS, CELLS) float32."""
    return cell_shares(patch_masks(4 * CELLS, 4 * CELLS), CELLS)


def patch_masks(height: int, width: int, side: int = PATCHES) -> Array:
    """Return the patches that are hidden, with soft borders, (side^2, height, width) float32; their sum is 1.

    Args:
        height, width: of the pictures.
        side: rows and columns of patches.
    """
    squares = np.eye(side**2, dtype=np.float32).reshape(-1, side, side)
    return resize_maps(squares, height, width)


def _draw(players: int, pairs: int, seed: int, number: int, kind: int) -> npt.NDArray[np.bool_]:
    """-> (pairs, players): as many coalitions of each size as the Shapley kernel says, all equally weighted."""
    mixed = int(np.random.SeedSequence([seed, int(number), kind]).generate_state(1)[0])
    drawn = draw_coalitions(players, pairs, mixed)
    members = drawn.members
    # Which of a pair comes first must not depend on its size.
    swap = np.random.default_rng(mixed).random(len(members)) < 0.5
    return members ^ swap[:, None]

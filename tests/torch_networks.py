"""Small PyTorch networks of every kind that ferviz has to cope with, made in code, with fixed weights.

Import it only where PyTorch is: `pytest.importorskip("torch")` first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

SIZE, CLASSES = 18, 4


def seeded(module: Any, seed: int = 0) -> Any:
    """Give every weight a value that depends on `seed` alone: large enough that ReLUs are mixed, variances positive."""
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if not value.is_floating_point():
                continue
            numbers = rng.normal(size=tuple(value.shape)) * (0.5 if value.ndim > 1 else 0.2)
            if "running_var" in name:
                numbers = 0.5 + rng.random(tuple(value.shape))
            value.copy_(torch.tensor(numbers.astype("float32")))
    return module.train()  # as their authors leave them


class Functional(nn.Module):
    """The network `functional` of tests/networks.py: a residual block, whose layers have the same names."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 5, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(5)
        self.relu1 = nn.ReLU()
        self.short = nn.Conv2d(5, 6, 1, stride=2)
        self.depth = nn.Conv2d(5, 5, 3, stride=2, padding=1, groups=5)
        self.point = nn.Conv2d(5, 6, 1)
        self.relu2 = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(6, CLASSES)

    def forward(self, x: Any) -> Any:
        x = self.relu1(self.norm1(self.conv1(x)))
        x = self.relu2(self.point(self.depth(x)) + self.short(x))
        return functional.softmax(self.head(self.drop(x.mean((2, 3)))), 1)


class Plain(nn.Module):
    """As most people write them: functional ReLU, `view`, dropout that is never turned off, log-softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 6, 3)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(6 * 3 * 3, CLASSES)

    def forward(self, x: Any) -> Any:
        x = self.pool(functional.relu(self.conv1(x)))
        x = self.pool(functional.relu(self.conv2(x)))
        x = functional.dropout(x.view(-1, 6 * 3 * 3))
        return functional.log_softmax(self.fc(x), dim=1)


class InPlace(nn.Module):
    """A ReLU that changes the convolution's output in place, and scores (N, K, 1, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 5, 3), nn.ReLU(inplace=True), nn.Conv2d(5, CLASSES, 3), nn.ReLU(True))
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Any) -> Any:
        return self.pool(self.body(x))


def pictures(n: int, channels: int = 1, seed: int = 1) -> np.ndarray:
    """Return n random pictures: (n, 18, 18, c) float32 in 0..1."""
    return np.random.default_rng(seed).random((n, SIZE, SIZE, channels), np.float32)


def tensor(batch: np.ndarray) -> Any:
    """Return pictures as PyTorch takes them: (n, c, h, w), in that order in memory."""
    return torch.tensor(np.moveaxis(batch, 3, 1)).clone(memory_format=torch.contiguous_format)

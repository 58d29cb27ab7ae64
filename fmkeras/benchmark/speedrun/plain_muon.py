"""Muon as a plain PyTorch script has it: kernels by Newton-Schulz, the others by SGD.

`torch.optim.Muon` takes matrices alone; scripts for convolutions bring their own, with
a kernel seen as a matrix of a row an output (Jordan et al., "Muon: an optimizer for
hidden layers in neural networks", 2024).
"""

import torch

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_STEPS = 5


class PlainMuon(torch.optim.Optimizer):
    """Steps of groups whose `orthogonal` says which of the two updates they get.

    `lr` is the rate of the group. The products are of `dtype`.
    """

    def __init__(self, groups, lr: float, momentum: float, dtype=torch.float32) -> None:
        super().__init__(groups, {"lr": lr, "momentum": momentum})
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure=None):
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            beta, rate = group["momentum"], group["lr"]
            for weight in group["params"]:
                gradient = weight.grad
                if gradient is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                momentum = state["momentum"]
                if group["orthogonal"]:
                    momentum.lerp_(gradient, 1 - beta)
                    rows = gradient.lerp(momentum, beta).flatten(1)
                    update = newton_schulz(rows.to(self.dtype)).to(weight.dtype)
                    factor = max(1.0, rows.shape[0] / rows.shape[1]) ** 0.5
                    weight.add_(update.view(weight.shape), alpha=-rate * factor)
                else:
                    momentum.mul_(beta).add_(gradient)
                    weight.add_(gradient.add(momentum, alpha=beta), alpha=-rate)


def newton_schulz(x: torch.Tensor) -> torch.Tensor:
    """Return a matrix of the same singular vectors, its singular values near 1."""
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / x.norm().clamp(min=1e-7)
    a, b, c = _COEFFICIENTS
    for _ in range(_STEPS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x

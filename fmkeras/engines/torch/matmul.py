"""Dense layers: float32 matrix products by oneDNN on a CPU.

torch uses MKL for them, which reaches about half the rate of oneDNN on processors that
are not Intel's; torch contains both. On other devices and in other dtypes this is
torch's own product.
"""

import torch

from fmkeras.engines.torch.operations import product

_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(
    torch.ops.mkldnn, "_linear_pointwise"
)


def affine(x, kernel, bias):
    """Return x @ kernel + bias for x (..., inputs); bias may be None."""
    float32 = x.dtype == kernel.dtype == torch.float32
    if _ONEDNN and float32 and x.ndim == 2 and x.device.type == "cpu":
        return _Affine.apply(x, kernel, bias)
    if bias is None:
        return torch.matmul(x, kernel)
    return torch.addmm(bias, x, kernel) if x.ndim == 2 else x @ kernel + bias


class _Affine(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, kernel, bias):
        ctx.save_for_backward(x, kernel)
        ctx.biased = bias is not None
        return product(x, kernel, bias)

    @staticmethod
    def backward(ctx, gradient):
        x, kernel = ctx.saved_tensors
        to_x = product(gradient, kernel.t()) if ctx.needs_input_grad[0] else None
        # Computed with the outputs first, the memory layout of the kernel.
        to_kernel = product(gradient.t(), x).t()
        return to_x, to_kernel, gradient.sum(0) if ctx.biased else None

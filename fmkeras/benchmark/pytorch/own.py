"""Plain PyTorch modules of this project's own networks of convolutions and pooling."""

from torch import nn
from torch.nn import functional as F

from fmkeras.benchmark.pytorch.blocks import Twin


class NormGelu(nn.Sequential):
    """Normalise, then GELU."""

    def __init__(self, filters):
        super().__init__()
        self.norm = nn.BatchNorm2d(filters)
        self.gelu = nn.GELU()


class Stem(nn.Conv2d):
    """Convolve, normalise, then GELU."""

    def __init__(self, filters):
        super().__init__(1, filters, 3, padding=1, bias=False)
        self.post = NormGelu(filters)

    def forward(self, x):
        return self.post(super().forward(x))


class Stage(nn.Module):
    """Convolve, pool, then convolve on; from three convolutions on with a shortcut."""

    def __init__(self, inputs, filters, count):
        super().__init__()
        self.count = count
        for number in range(1, count + 1):
            conv = nn.Conv2d(inputs, filters, 3, padding=1, bias=False)
            self.add_module(f"conv_{number}", conv)
            self.add_module(f"post_{number}", NormGelu(filters))
            inputs = filters

    def forward(self, x):
        x = self.post_1(F.max_pool2d(self.conv_1(x), 2))
        shortcut = x
        for number in range(2, self.count + 1):
            post = self.get_submodule(f"post_{number}")
            x = post.norm(self.get_submodule(f"conv_{number}")(x))
            if number == self.count > 2:
                x = shortcut + x
            x = post.gelu(x)
        return x


class ConvPool(Twin):
    def __init__(self, num_classes, stem=24, widths=(64, 256, 256), convs_per_stage=2):
        super().__init__()
        self.stem = Stem(stem)
        self.stages = len(widths)
        inputs = stem
        for number, filters in enumerate(widths, start=1):
            self.add_module(f"stage_{number}", Stage(inputs, filters, convs_per_stage))
            inputs = filters
        self.logits = nn.Linear(inputs, num_classes)

    def compute(self, x):
        x = self.stem(x)
        for number in range(1, self.stages + 1):
            x = self.get_submodule(f"stage_{number}")(x)
        return self.logits(x.amax((2, 3)))

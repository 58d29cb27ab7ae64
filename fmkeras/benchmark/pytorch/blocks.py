"""What several of the PyTorch twins share."""

from torch import nn
from torch.nn import functional as F


class Prepare(nn.Module):
    """Scale raw pixels, then resize the images where the network was made larger."""

    def __init__(self, scale, offset, size):
        super().__init__()
        self.scale, self.offset, self.size = scale, offset, size

    def forward(self, pixels):
        x = pixels * self.scale + self.offset
        if x.shape[-1] != self.size:
            x = F.interpolate(x, size=(self.size, self.size), mode="bilinear")
        return x


class Twin(nn.Module):
    """Prepares raw pixels, (n, 1, 28, 28), and computes logits from them."""

    def __init__(self):
        super().__init__()
        self.prepare = nn.Identity()

    def forward(self, pixels):
        return self.compute(self.prepare(pixels))


class HeadedTwin(Twin):
    """A twin that ends in two dense layers with dropout, then the logits."""

    def __init__(self, inputs, units, num_classes, dropout):
        super().__init__()
        self.dense_1 = nn.Linear(inputs, units)
        self.dropout_1 = nn.Dropout(dropout)
        self.dense_2 = nn.Linear(units, units)
        self.dropout_2 = nn.Dropout(dropout)
        self.logits = nn.Linear(units, num_classes)

    def head(self, x):
        x = self.dropout_1(F.relu(self.dense_1(x.flatten(1))))
        x = self.dropout_2(F.relu(self.dense_2(x)))
        return self.logits(x)


class ConvNormRelu(nn.Sequential):
    """Convolve, normalise, cut off below zero."""

    def __init__(self, inputs, filters, kernel_size, stride=1, padding=0):
        super().__init__()
        self.conv = nn.Conv2d(inputs, filters, kernel_size, stride, padding)
        self.norm = nn.BatchNorm2d(filters)
        self.relu = nn.ReLU()

"""Plain PyTorch modules of the networks that see 28 pixels."""

import torch
from torch import nn
from torch.nn import functional as F

from fmkeras.benchmark.pytorch.blocks import ConvNormRelu, HeadedTwin, Twin


class LogisticRegression(Twin):
    def __init__(self, num_classes):
        super().__init__()
        self.logits = nn.Linear(784, num_classes)

    def compute(self, x):
        return self.logits(x.flatten(1))


class Linear(Twin):
    def __init__(self, num_classes):
        super().__init__()
        self.dense_1 = nn.Linear(784, 10)
        self.logits = nn.Linear(10, num_classes)

    def compute(self, x):
        return self.logits(self.dense_1(x.flatten(1)))


class MLP(Twin):
    def __init__(self, num_classes, hidden_units=(256, 128, 64)):
        super().__init__()
        self.hidden = len(hidden_units)
        inputs = 784
        for number, units in enumerate(hidden_units, start=1):
            self.add_module(f"dense_{number}", nn.Linear(inputs, units))
            inputs = units
        self.logits = nn.Linear(inputs, num_classes)

    def compute(self, x):
        x = x.flatten(1)
        for number in range(1, self.hidden + 1):
            x = F.leaky_relu(self.get_submodule(f"dense_{number}")(x))
        return self.logits(x)


class LeNet(Twin):
    def __init__(self, num_classes):
        super().__init__()
        self.conv_1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv_2 = nn.Conv2d(6, 16, 5)
        self.dense_1 = nn.Linear(400, 120)
        self.dense_2 = nn.Linear(120, 84)
        self.logits = nn.Linear(84, num_classes)

    def compute(self, x):
        x = F.avg_pool2d(torch.sigmoid(self.conv_1(x)), 2)
        x = F.avg_pool2d(torch.sigmoid(self.conv_2(x)), 2)
        x = torch.sigmoid(self.dense_1(x.flatten(1)))
        x = torch.sigmoid(self.dense_2(x))
        return self.logits(x)


class LeNetRelu(Twin):
    def __init__(self, num_classes):
        super().__init__()
        self.conv_1 = nn.Conv2d(1, 6, 5)
        self.conv_2 = nn.Conv2d(6, 12, 5)
        self.dense_1 = nn.Linear(192, 120)
        self.dense_2 = nn.Linear(120, 60)
        self.logits = nn.Linear(60, num_classes)

    def compute(self, x):
        x = F.max_pool2d(F.relu(self.conv_1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv_2(x)), 2)
        x = F.relu(self.dense_1(x.flatten(1)))
        x = F.relu(self.dense_2(x))
        return self.logits(x)


class MyNet(HeadedTwin):
    def __init__(self, num_classes, dropout=0.5):
        super().__init__(64 * 7 * 7, 256, num_classes, dropout)
        self.conv_1 = nn.Conv2d(1, 8, 3, padding=1)
        self.conv_2 = nn.Conv2d(8, 32, 3, padding=1)
        self.conv_3 = nn.Conv2d(32, 64, 3, padding=1)

    def compute(self, x):
        x = F.max_pool2d(F.relu(self.conv_1(x)), 2)
        x = F.relu(self.conv_2(x))
        x = F.max_pool2d(F.relu(self.conv_3(x)), 2)
        return self.head(x)


class CNN(Twin):
    def __init__(self, num_classes, dropout=0.4):
        super().__init__()
        self.conv_1 = nn.Conv2d(1, 16, 3, padding=1)
        self.norm_1 = nn.BatchNorm2d(16)
        self.conv_2 = nn.Conv2d(16, 32, 3, padding=1)
        self.norm_2 = nn.BatchNorm2d(32)
        self.conv_3 = nn.Conv2d(32, 64, 3, padding=1)
        self.norm_3 = nn.BatchNorm2d(64)
        self.dense_1 = nn.Linear(64 * 7 * 7, 512)
        self.dropout_1 = nn.Dropout(dropout)
        self.dense_2 = nn.Linear(512, 64)
        self.dropout_2 = nn.Dropout(dropout)
        self.logits = nn.Linear(64, num_classes)

    def compute(self, x):
        x = F.max_pool2d(F.leaky_relu(self.norm_1(self.conv_1(x))), 2)
        x = F.max_pool2d(F.leaky_relu(self.norm_2(self.conv_2(x))), 2)
        x = F.leaky_relu(self.norm_3(self.conv_3(x)))
        x = self.dropout_1(F.leaky_relu(self.dense_1(x.flatten(1))))
        x = self.dropout_2(F.leaky_relu(self.dense_2(x)))
        return self.logits(x)


class AlexNetTiny(HeadedTwin):
    def __init__(self, num_classes, dropout=0.5):
        super().__init__(128 * 6 * 6, 512, num_classes, dropout)
        self.conv_1 = nn.Conv2d(1, 64, 4, padding=1)
        self.conv_2 = nn.Conv2d(64, 256, 3, padding=1)
        self.conv_3 = nn.Conv2d(256, 256, 3, padding=1)
        self.conv_4 = nn.Conv2d(256, 128, 3, padding=1)

    def compute(self, x):
        x = F.max_pool2d(F.relu(self.conv_1(x)), 2)
        x = F.relu(self.conv_2(x))
        x = F.relu(self.conv_3(x))
        x = F.max_pool2d(F.relu(self.conv_4(x)), 2)
        return self.head(x)


class FashionNetStage(nn.Sequential):
    def __init__(self, inputs, filters, stride, dropout):
        super().__init__()
        self.conv = nn.Conv2d(inputs, filters, 3, stride=stride, padding=1)
        self.leaky_relu = nn.LeakyReLU(0.1)
        self.norm = nn.BatchNorm2d(filters)
        self.dropout = nn.Dropout(dropout)


class FashionNet(Twin):
    def __init__(self, num_classes, dropout=0.5, side=28):
        super().__init__()
        self.stage_1 = FashionNetStage(1, 24, 1, dropout)
        self.stage_2 = FashionNetStage(24, 64, 2, dropout)
        self.logits = nn.Linear(64 * (side // 2) ** 2, num_classes)

    def compute(self, x):
        return self.logits(self.stage_2(self.stage_1(x)).flatten(1))


class TinyVGGBlock(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.conv_1 = nn.Conv2d(inputs, 10, 3, padding=1)
        self.conv_2 = nn.Conv2d(10, 10, 3, padding=1)

    def forward(self, x):
        return F.max_pool2d(F.relu(self.conv_2(F.relu(self.conv_1(x)))), 2)


class TinyVGG(Twin):
    def __init__(self, blocks, num_classes):
        super().__init__()
        self.blocks = blocks
        for number in range(1, blocks + 1):
            inputs = 1 if number == 1 else 10
            self.add_module(f"block_{number}", TinyVGGBlock(inputs))
        self.logits = nn.Linear(10 * (28 // 2**blocks) ** 2, num_classes)

    def compute(self, x):
        for number in range(1, self.blocks + 1):
            x = self.get_submodule(f"block_{number}")(x)
        return self.logits(x.flatten(1))


class TinyVGGNormBlock(nn.Sequential):
    def __init__(self, inputs):
        super().__init__()
        self.part_1 = ConvNormRelu(inputs, 10, 3, padding=1)
        self.part_2 = ConvNormRelu(10, 10, 3, padding=1)
        self.pool = nn.MaxPool2d(2)


class TinyVGGNorm(Twin):
    def __init__(self, num_classes):
        super().__init__()
        self.block_1 = TinyVGGNormBlock(1)
        self.block_2 = TinyVGGNormBlock(10)
        self.block_3 = TinyVGGNormBlock(10)
        self.dense_1 = nn.Linear(10 * 3 * 3, 64)
        self.logits = nn.Linear(64, num_classes)

    def compute(self, x):
        x = self.block_3(self.block_2(self.block_1(x)))
        return self.logits(F.relu(self.dense_1(x.flatten(1))))

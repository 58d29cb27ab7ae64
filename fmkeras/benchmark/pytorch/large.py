"""Plain PyTorch modules of the networks that see 96 or 224 pixels."""

import torch
from torch import nn
from torch.nn import functional as F

from fmkeras.benchmark.pytorch.blocks import ConvNormRelu, HeadedTwin, Twin


class AlexNet(HeadedTwin):
    def __init__(self, num_classes, dropout=0.5):
        super().__init__(256 * 5 * 5, 4096, num_classes, dropout)
        self.conv_1 = nn.Conv2d(1, 96, 11, stride=4, padding=1)
        self.conv_2 = nn.Conv2d(96, 256, 5, padding=2)
        self.conv_3 = nn.Conv2d(256, 384, 3, padding=1)
        self.conv_4 = nn.Conv2d(384, 384, 3, padding=1)
        self.conv_5 = nn.Conv2d(384, 256, 3, padding=1)

    def compute(self, x):
        x = F.max_pool2d(F.relu(self.conv_1(x)), 3, stride=2)
        x = F.max_pool2d(F.relu(self.conv_2(x)), 3, stride=2)
        x = F.relu(self.conv_3(x))
        x = F.relu(self.conv_4(x))
        x = F.max_pool2d(F.relu(self.conv_5(x)), 3, stride=2)
        return self.head(x)


class VGG(HeadedTwin):
    def __init__(self, convolutions, num_classes, dropout=0.5):
        super().__init__(512 * 7 * 7, 4096, num_classes, dropout)
        self.stages = len(convolutions)
        channels = 1
        for number, count in enumerate(convolutions, start=1):
            filters = min(32 * 2**number, 512)
            stage = nn.Sequential()
            for position in range(1, count + 1):
                conv = nn.Conv2d(channels, filters, 3, padding=1)
                stage.add_module(f"conv_{position}", conv)
                stage.add_module(f"relu_{position}", nn.ReLU())
                channels = filters
            stage.add_module("pool", nn.MaxPool2d(2))
            self.add_module(f"stage_{number}", stage)

    def compute(self, x):
        for number in range(1, self.stages + 1):
            x = self.get_submodule(f"stage_{number}")(x)
        return self.head(x)


class NiNBlock(nn.Sequential):
    def __init__(self, inputs, filters, kernel_size, stride=1, padding=0):
        super().__init__()
        self.conv_1 = nn.Conv2d(inputs, filters, kernel_size, stride, padding)
        self.relu_1 = nn.ReLU()
        self.conv_2 = nn.Conv2d(filters, filters, 1)
        self.relu_2 = nn.ReLU()
        self.conv_3 = nn.Conv2d(filters, filters, 1)
        self.relu_3 = nn.ReLU()


class NiN(Twin):
    def __init__(self, num_classes, dropout=0.5):
        super().__init__()
        self.block_1 = NiNBlock(1, 96, 11, stride=4)
        self.block_2 = NiNBlock(96, 256, 5, padding=2)
        self.block_3 = NiNBlock(256, 384, 3, padding=1)
        self.dropout_1 = nn.Dropout(dropout)
        self.block_4 = NiNBlock(384, num_classes, 3, padding=1)

    def compute(self, x):
        x = F.max_pool2d(self.block_1(x), 3, stride=2)
        x = F.max_pool2d(self.block_2(x), 3, stride=2)
        x = F.max_pool2d(self.block_3(x), 3, stride=2)
        return self.block_4(self.dropout_1(x)).mean((2, 3))


class Inception(nn.Module):
    def __init__(self, inputs, first, second, third, fourth):
        super().__init__()
        self.path_1 = ConvNormRelu(inputs, first, 1)
        self.path_2_reduce = ConvNormRelu(inputs, second[0], 1)
        self.path_2 = ConvNormRelu(second[0], second[1], 3, padding=1)
        self.path_3_reduce = ConvNormRelu(inputs, third[0], 1)
        self.path_3 = ConvNormRelu(third[0], third[1], 5, padding=2)
        self.path_4 = ConvNormRelu(inputs, fourth, 1)

    def forward(self, x):
        pooled = F.max_pool2d(x, 3, stride=1, padding=1)
        paths = (
            self.path_1(x),
            self.path_2(self.path_2_reduce(x)),
            self.path_3(self.path_3_reduce(x)),
            self.path_4(pooled),
        )
        return torch.cat(paths, dim=1)


class GoogLeNet(Twin):
    def __init__(self, num_classes):
        super().__init__()
        self.stem_1 = ConvNormRelu(1, 64, 7, stride=2, padding=5)
        self.stem_2 = ConvNormRelu(64, 64, 1)
        self.stem_3 = ConvNormRelu(64, 192, 3, padding=1)
        self.inception_1 = Inception(192, 64, (96, 128), (16, 32), 32)
        self.inception_2 = Inception(256, 128, (128, 192), (32, 96), 64)
        self.inception_3 = Inception(480, 192, (96, 208), (16, 48), 64)
        self.inception_4 = Inception(512, 160, (112, 224), (24, 64), 64)
        self.inception_5 = Inception(512, 128, (128, 256), (24, 64), 64)
        self.inception_6 = Inception(512, 112, (144, 288), (32, 64), 64)
        self.inception_7 = Inception(528, 256, (160, 320), (32, 128), 128)
        self.inception_8 = Inception(832, 256, (160, 320), (32, 128), 128)
        self.inception_9 = Inception(832, 384, (192, 384), (48, 128), 128)
        self.logits = nn.Linear(1024, num_classes)

    def compute(self, x):
        x = F.max_pool2d(self.stem_1(x), 3, stride=2, padding=1)
        x = self.stem_3(self.stem_2(x))
        x = F.max_pool2d(x, 3, stride=2, padding=1)
        x = self.inception_2(self.inception_1(x))
        x = F.max_pool2d(x, 3, stride=2, padding=1)
        x = self.inception_5(self.inception_4(self.inception_3(x)))
        x = self.inception_7(self.inception_6(x))
        x = self.inception_9(self.inception_8(x))
        return self.logits(x.mean((2, 3)))


class Residual(nn.Module):
    def __init__(self, inputs, filters, stride):
        super().__init__()
        self.conv_1 = nn.Conv2d(inputs, filters, 3, stride, padding=1)
        self.norm_1 = nn.BatchNorm2d(filters)
        self.conv_2 = nn.Conv2d(filters, filters, 3, padding=1)
        self.norm_2 = nn.BatchNorm2d(filters)
        self.shortcut = nn.Conv2d(inputs, filters, 1, stride) if stride > 1 else None

    def forward(self, x):
        y = F.relu(self.norm_1(self.conv_1(x)))
        y = self.norm_2(self.conv_2(y))
        if self.shortcut is not None:
            x = self.shortcut(x)
        return F.relu(y + x)


class ResNet(Twin):
    def __init__(self, blocks, num_classes):
        super().__init__()
        self.stem = ConvNormRelu(1, 64, 7, stride=2, padding=3)
        self.stages = len(blocks)
        channels = 64
        for number, count in enumerate(blocks, start=1):
            filters = 32 * 2**number
            stage = nn.Sequential()
            for position in range(1, count + 1):
                stride = 2 if number > 1 and position == 1 else 1
                block = Residual(channels, filters, stride)
                stage.add_module(f"block_{position}", block)
                channels = filters
            self.add_module(f"stage_{number}", stage)
        self.logits = nn.Linear(channels, num_classes)

    def compute(self, x):
        x = F.max_pool2d(self.stem(x), 3, stride=2, padding=1)
        for number in range(1, self.stages + 1):
            x = self.get_submodule(f"stage_{number}")(x)
        return self.logits(x.mean((2, 3)))


class NormReluConv(nn.Sequential):
    def __init__(self, inputs, filters, kernel_size, padding=0):
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs)
        self.relu = nn.ReLU()
        self.conv = nn.Conv2d(inputs, filters, kernel_size, padding=padding)


class DenseBlock(nn.Module):
    def __init__(self, inputs, growth, count):
        super().__init__()
        self.count = count
        for number in range(1, count + 1):
            layer = NormReluConv(inputs, growth, 3, padding=1)
            self.add_module(f"layer_{number}", layer)
            inputs += growth

    def forward(self, x):
        for number in range(1, self.count + 1):
            x = torch.cat((x, self.get_submodule(f"layer_{number}")(x)), dim=1)
        return x


class DenseNet(Twin):
    def __init__(self, num_classes, growth=32, layers_per_block=(4, 4, 4, 4)):
        super().__init__()
        self.stem = ConvNormRelu(1, 64, 7, stride=2, padding=3)
        self.blocks = len(layers_per_block)
        channels = 64
        for number, count in enumerate(layers_per_block, start=1):
            if number > 1:
                transition = NormReluConv(channels, channels // 2, 1)
                self.add_module(f"transition_{number - 1}", transition)
                channels //= 2
            block = DenseBlock(channels, growth, count)
            self.add_module(f"block_{number}", block)
            channels += count * growth
        self.logits = nn.Linear(channels, num_classes)

    def compute(self, x):
        x = F.max_pool2d(self.stem(x), 3, stride=2, padding=1)
        for number in range(1, self.blocks + 1):
            if number > 1:
                x = self.get_submodule(f"transition_{number - 1}")(x)
                x = F.avg_pool2d(x, 2)
            x = self.get_submodule(f"block_{number}")(x)
        return self.logits(x.mean((2, 3)))

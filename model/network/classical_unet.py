"""The classical U-Net, as an encoder of segmentation_models_pytorch.

The encoder is the contracting path of Ronneberger et al. (2015), double 3x3 convolutions and 2x2 max pooling,
with batch normalisation as in Grüning et al. (2020), section III.
Decoder, head and everything else are the library's.
"""

from __future__ import annotations

import segmentation_models_pytorch as smp
import torch
from segmentation_models_pytorch.encoders import encoders
from segmentation_models_pytorch.encoders._base import EncoderMixin
from torch import nn

CLASSICAL = "unet"


class UNetEncoder(nn.Module, EncoderMixin):
    """The contracting path: features at strides 1, 1, 2, 4, ... with 3, w, 2w, 4w, ... channels.

    The library's decoders expect the input itself as the first feature and drop it, so `depth` counts one
    more than the poolings.
    """

    def __init__(self, width: int, depth: int = 5, output_stride: int = 16) -> None:
        super().__init__()
        self._depth = depth
        self._in_channels = 3
        self._output_stride = output_stride
        self._out_channels = [3] + [width * 2**level for level in range(depth)]
        channels = self._out_channels
        self.stages = nn.ModuleList(
            _double_convolution(channels[level], channels[level + 1]) for level in range(depth)
        )

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Float (B, 3, H, W) -> depth + 1 features, the first being x itself."""
        features = [x]
        for level, stage in enumerate(self.stages):
            if level > 0:
                x = nn.functional.max_pool2d(x, 2)
            x = stage(x)
            features.append(x)
        return features


def _double_convolution(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [
            nn.Conv2d(channels, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


def build_classical(classes: int, width: int, depth: int) -> smp.Unet:
    """Float (B, 3, H, W) -> logits (B, classes, H, W);
    `width` channels at full resolution, doubled at each of `depth` poolings."""
    name = f"{CLASSICAL}-{width}"
    encoders[name] = {"encoder": UNetEncoder, "pretrained_settings": {}, "params": {"width": width}}
    decoder_channels = [width * 2**level for level in reversed(range(depth))]
    network = smp.Unet(
        name,
        encoder_depth=depth + 1,
        encoder_weights=None,
        decoder_channels=(*decoder_channels, width),
        classes=classes,
    )
    # The library's last block only upsamples from stride 2, and this encoder's first skip is at full
    # resolution already.
    network.decoder.blocks = network.decoder.blocks[:-1]
    return network

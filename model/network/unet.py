"""The network: a classical U-Net as an encoder of segmentation_models_pytorch, or any encoder that the library knows.

The encoder is the contracting path of Ronneberger et al. (2015), double 3x3 convolutions and 2x2 max pooling, with batch
normalisation as in Grüning et al. (2020), section III. Decoder, head and everything else are the library's.
"""

from __future__ import annotations

import segmentation_models_pytorch as smp
import torch
from segmentation_models_pytorch.encoders import encoders
from segmentation_models_pytorch.encoders._base import EncoderMixin
from torch import nn

from model.errors import RecipeError

CLASSICAL = "unet"


class UNetEncoder(nn.Module, EncoderMixin):
    """The contracting path: features at strides 1, 1, 2, 4, ... with 3, w, 2w, 4w, ... channels.

    The library's decoders expect the input itself as the first feature and drop it, so `depth` counts one more than the poolings.
    """

    def __init__(self, width: int, depth: int = 5, output_stride: int = 16) -> None:
        super().__init__()
        self._depth = depth
        self._in_channels = 3
        self._output_stride = output_stride
        self._out_channels = [3] + [width * 2**level for level in range(depth)]
        channels = self._out_channels
        self.stages = nn.ModuleList(_double_convolution(channels[level], channels[level + 1]) for level in range(depth))

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
        layers += [nn.Conv2d(channels, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def build_network(encoder: str, classes: int, *, width: int, depth: int, weights: str | None = None) -> smp.Unet:
    """An untrained network: float (B, 3, H, W) -> logits (B, classes, H, W), for any H, W of at least 2**depth.

    `encoder` is "unet" (the classical one; `width` channels at full resolution, doubled at each of `depth` poolings) or the name of any
    encoder of segmentation_models_pytorch (`width` is then ignored, `depth` at most 5); `weights` names its pretrained weights.
    Raises RecipeError for an unknown encoder or weights that cannot be had.
    """
    if encoder == CLASSICAL:
        if weights is not None:
            raise RecipeError(
                f"encoder_weights={weights!r}: the classical U-Net has no pretrained weights; "
                "leave the setting empty, or choose an encoder such as 'resnet18'."
            )
        return _classical(classes, width, depth)
    try:
        network = smp.Unet(
            encoder, encoder_depth=depth, encoder_weights=weights, decoder_channels=(256, 128, 64, 32, 16)[-depth:], classes=classes
        )
        with torch.no_grad():  # some of timm's take images of one size only, and say so only now
            network.eval()(torch.zeros(1, 3, 64, 64))
        return network.train()
    except OSError as error:  # the hub's own errors (no network, file not found) all derive from it
        raise RecipeError(
            f"The weights {weights!r} of encoder {encoder!r} could not be fetched ({error}). "
            "Without internet access leave encoder_weights empty."
        ) from error
    except MemoryError:
        raise
    except Exception as error:  # timm's encoders raise anything for a name it does not know, or that is no pyramid of features
        raise RecipeError(
            f"Encoder {encoder!r} with weights {weights!r} and depth {depth} is not known or cannot be used: {str(error)[:300]}. "
            "Use 'unet', or a name that segmentation_models_pytorch lists."
        ) from error


def memory_format(encoder: str, device: torch.device) -> torch.memory_format:
    """The order of pixels and channels in memory that is fastest there: channels last, as far as it is safe.

    On a CPU in float32 some encoders of the library (mobileone_s0) end the process in channels-last order.
    """
    return torch.channels_last if encoder == CLASSICAL or device.type == "cuda" else torch.contiguous_format


def _classical(classes: int, width: int, depth: int) -> smp.Unet:
    name = f"{CLASSICAL}-{width}"
    encoders[name] = {"encoder": UNetEncoder, "pretrained_settings": {}, "params": {"width": width}}
    decoder_channels = [width * 2**level for level in reversed(range(depth))]
    network = smp.Unet(name, encoder_depth=depth + 1, encoder_weights=None, decoder_channels=(*decoder_channels, width), classes=classes)
    # The library's last block only upsamples from stride 2, and this encoder's first skip is at full resolution already.
    network.decoder.blocks = network.decoder.blocks[:-1]
    return network

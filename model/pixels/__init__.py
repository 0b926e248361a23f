"""The pixel classifier:
what each pixel and its surroundings look like (features), and small networks that learn classes from it in a
second."""

from model.pixels.classifier import PixelModel, train_pixel_model, train_pixel_models
from model.pixels.feature_store import FeatureStore
from model.pixels.features import FeatureExtractor
from model.pixels.samples import PixelSample, Scale, draw_sample
from model.pixels.stacked import Networks, OnStep, Pixels, train_networks
from model.pixels.whole_features import WholeFeatures, whole_features

__all__ = [
    "FeatureExtractor",
    "FeatureStore",
    "Networks",
    "OnStep",
    "PixelModel",
    "PixelSample",
    "Pixels",
    "Scale",
    "WholeFeatures",
    "draw_sample",
    "train_networks",
    "train_pixel_model",
    "train_pixel_models",
    "whole_features",
]

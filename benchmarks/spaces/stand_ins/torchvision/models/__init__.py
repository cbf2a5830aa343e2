"""The networks that segmentation_models_pytorch takes as encoders."""

from .densenet import DenseNet
from .mobilenetv2 import MobileNetV2
from .resnet import ResNet
from .vgg import VGG

__all__ = ["VGG", "DenseNet", "MobileNetV2", "ResNet"]

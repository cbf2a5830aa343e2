"""pytorchcv: the smallest network of each architecture, with the side of its input."""

from __future__ import annotations

from benchmarks.spaces.catalogue.family import Family

_IMAGES = """
alexnet 224, vgg11 224, bninception 224, resnet10 224, preresnet10 224, resnext14_16x4d 224,
seresnet10 224, seresnext50_32x4d 224, senet16 224, resnestabc14 64, ibn_resnet50 224,
ibn_densenet121 224, airnet50_1x64d_r16 224, bam_resnet18 224, cbam_resnet18 224, resattnet56 224,
sknet50 224, scnet50 128, regnetx002 64, regnety002 64, diaresnet10 224,
pyramidnet110_a48_cifar10 32, diracnet18v2 224, sharesnet18 224, densenet121 224,
condensenet74_c4_g4 224, sparsenet121 224, peleenet 224, wrn16_10_cifar10 32, drnd22 224,
dpn68 224, darknet_tiny 224, darknet53 224, channelnet 224, revnet38 224, bagnet9 224,
dla46c 224, msdnet22_cifar10 32, fishnet99 224, espnetv2_wd2 224, dicenet_wd5 64,
hrnet_w18_small_v1 224, vovnet27s 224, selecsls42 224, hardnet39ds 224,
xdensenet40_2_k24_bc_cifar10 32, squeezenet_v1_1 224, sqnxt23_w1 224, shufflenet_g3_wd4 224,
shufflenetv2_wd2 224, menet108_8x1_g3 224, mobilenet_wd4 224, mobilenetv2_wd4 224,
mobilenetv3_small_w7d20 224, igcv3_wd4 224, ghostnet 224, mnasnet_b1 224, darts 224,
proxylessnas_cpu 224, fbnet_cb 224, xception 320, inceptionv3 320, nasnet_4a1056 224,
spnasnet 224, efficientnet_b0 64, mixnet_s 224, nin_cifar10 32, ror3_56_cifar10 32,
rir_cifar10 32, resdropresnet20_cifar10 32, fractalnet_cifar10 32, isqrtcovresnet18 64,
resneta10 64, octresnet10_ad2 224, tresnet_m 64
"""
_SCENES = """
cgnet_cityscapes 64, dabnet_cityscapes 64, sinet_cityscapes 128, fpenet_cityscapes 64,
ctxnet_cityscapes 64, lednet_cityscapes 64, enet_cityscapes 64, erfnet_cityscapes 64,
linknet_cityscapes 64, segnet_cityscapes 64, unet_cityscapes 64, simplepose_resnet18_coco 64,
centernet_resnet18_voc 64, lffd20x5s320v2_widerface 128
"""
# Their pyramids pool to sizes that they work out when they are built.
_SIZED = """
pspnet_resnetd50b_voc 64, deeplabv3_resnetd50b_voc 64, icnet_resnetd50b_cityscapes 64,
fastscnn_cityscapes 64, bisenet_resnet18_celebamaskhq 64
"""


def _families(listed: str, *, sized: bool = False) -> list[Family]:
    families = []
    for entry in listed.split(","):
        model, side = entry.split()
        arguments = {"in_size": (int(side), int(side))} if sized else {}
        shape = (1, 3, int(side), int(side))
        families.append(Family("pytorchcv", model, "cnn", shape, arguments))
    return families


FAMILIES = (*_families(_IMAGES), *_families(_SCENES), *_families(_SIZED, sized=True))

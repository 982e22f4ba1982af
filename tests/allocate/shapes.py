"""The prunable parameters of two networks that published densities are known for."""

import math

WIDTHS = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
VGG_16 = {f"conv{n}": (WIDTHS[n + 1], WIDTHS[n], 3, 3) for n in range(13)} | {"last": (10, 512)}


def _resnet_20():
    shapes, width = {"first": (16, 3, 3, 3)}, 16
    for stage, wide in enumerate((16, 32, 64)):
        for place in range(6):
            shapes[f"{stage}.{place}"] = (wide, width, 3, 3)
            if width != wide:
                shapes[f"{stage}.shortcut"] = (wide, width, 1, 1)
            width = wide
    return shapes | {"last": (10, 64)}


RESNET_20 = _resnet_20()


def size(shape):
    return math.prod(shape)

"""The networks of the papers, as stock modules with named layers and weights drawn from a generator alone.

`build` makes one from its name: `lenet-300-100`, `resnet-20`, `conv-4x0.5` for half as wide, `mlp:784-500-10`, or
`package.module:factory` for any other.
"""

from tombola.models._build import NAMES as NAMES
from tombola.models._build import build as build
from tombola.models._cifar_resnet import cifar_resnet as cifar_resnet
from tombola.models._conv_net import conv_net as conv_net
from tombola.models._fill import draw_parameters as draw_parameters
from tombola.models._imagenet_resnet import imagenet_resnet as imagenet_resnet
from tombola.models._lenet_5 import lenet_5 as lenet_5
from tombola.models._lenet_300_100 import lenet_300_100 as lenet_300_100
from tombola.models._mlp import mlp as mlp
from tombola.models._mlp import parse_widths as parse_widths
from tombola.models._univariate import univariate_net as univariate_net
from tombola.models._vgg import vgg as vgg

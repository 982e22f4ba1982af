"""Tickets of one task, initialisation, optimiser or size on another: how, how well, and whether it can be foretold.

What is carried over is a network with masks; any training loop goes on from there, so that another optimiser is
another `Trainer`, and another initialisation another fresh network.
"""

from ._block_map import BlockMap as BlockMap
from ._block_map import BlockRule as BlockRule
from ._block_map import append as append
from ._block_map import as_given as as_given
from ._block_map import interpolate as interpolate
from ._block_map import squeezed as squeezed
from ._block_map import written as written
from ._carry import Carried as Carried
from ._carry import Carry as Carry
from ._carry import masks_and_signs as masks_and_signs
from ._carry import masks_and_weights as masks_and_weights
from ._carry import masks_only as masks_only
from ._carry import random_control as random_control
from ._elastic import elastic as elastic
from ._elastic_width import elastic_width as elastic_width
from ._input_skew import input_skew as input_skew
from ._predict import Prediction as Prediction
from ._predict import predict_transfer as predict_transfer
from ._recovery import Arm as Arm
from ._recovery import Recovery as Recovery
from ._recovery import recovery as recovery
from ._rule import Frequencies as Frequencies
from ._rule import Rule as Rule
from ._zero_shot import ZeroShot as ZeroShot
from ._zero_shot import zero_shot as zero_shot

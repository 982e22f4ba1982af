"""Training and evaluating the networks of the papers, and files that hold a model with all it takes to use it again."""

from tombola.training._batch_norm import reestimate_batch_norm_ as reestimate_batch_norm_
from tombola.training._checkpoint import Checkpoint as Checkpoint
from tombola.training._checkpoint import fingerprint as fingerprint
from tombola.training._evaluate import Evaluation as Evaluation
from tombola.training._evaluate import evaluate as evaluate
from tombola.training._evaluate import evaluate_on as evaluate_on
from tombola.training._examples import MapStyle as MapStyle
from tombola.training._fit import Epoch as Epoch
from tombola.training._fit import default_epochs as default_epochs
from tombola.training._fit import fit as fit
from tombola.training._fit import is_small as is_small
from tombola.training._hardware import Hardware as Hardware
from tombola.training._keep_pruned import keep_pruned_ as keep_pruned_
from tombola.training._load_model import SavedModel as SavedModel
from tombola.training._load_model import load_model as load_model
from tombola.training._optimisers import Optimiser as Optimiser
from tombola.training._optimisers import adam as adam
from tombola.training._optimisers import sgd as sgd
from tombola.training._rates import Rate as Rate
from tombola.training._rates import constant as constant
from tombola.training._rates import cosine as cosine
from tombola.training._rates import stepwise as stepwise
from tombola.training._rates import warmed_up as warmed_up
from tombola.training._save_model import save_model as save_model
from tombola.training._trainer import Trainer as Trainer

"""Composition on effect tables: combinations and unseen genes without any cells."""

from gpjepa.compose.composer import Composer as Composer
from gpjepa.compose.composer import Composition as Composition
from gpjepa.compose.experiments import Experiments as Experiments
from gpjepa.compose.experiments import next_experiments as next_experiments
from gpjepa.compose.fit import fit as fit
from gpjepa.compose.recover import Recoverer as Recoverer
from gpjepa.compose.recover import fit_recoverer as fit_recoverer

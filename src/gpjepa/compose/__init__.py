"""Composition on effect tables: combinations and unseen genes without any cells."""

from gpjepa.compose.composer import Composer as Composer
from gpjepa.compose.composer import Composition as Composition
from gpjepa.compose.fit import fit as fit

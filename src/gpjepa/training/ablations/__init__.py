"""What the model is without one of its parts, trained by the ordinary pipeline."""

from gpjepa.training.ablations.count_weight import BALANCED, COUNT_WEIGHTS, weighed
from gpjepa.training.ablations.settings import ABLATIONS, NAMES, Ablation, ablated

__all__ = ["ABLATIONS", "BALANCED", "COUNT_WEIGHTS", "NAMES", "Ablation", "ablated", "weighed"]

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from gpjepa.core.config import Config
from gpjepa.data.labels import CONTROL
from gpjepa.data.vocabulary import Vocabulary
from gpjepa.inference.cells import CellTable
from gpjepa.model.gpjepa import GeneMoments, WorldModel
from gpjepa.model.mixture import responder_ratio
from gpjepa.model.perturbation import Condition, ConditionSpec
from gpjepa.training.prepare import Annotated, Prepared
from gpjepa.training.responder_fit import fit_responders

GENES, CONTROLS, CELLS = 80, 300, 120
LABELS = ("A", "B", "C")
VOCABULARY = Vocabulary(LABELS, 3, frozenset())


def make_model(distribution: str = "nb") -> WorldModel:
    """Return a model whose encoder says nothing and whose perturbations act."""
    torch.manual_seed(0)
    rate = torch.full((GENES + 1,), 0.5 / GENES)
    rate[-1] = 0.5
    moments = GeneMoments(torch.ones(GENES), torch.ones(GENES), rate, 2000.0, True)
    config = Config(
        encoder={"latent": 6, "hidden": 8, "layers": 1},
        predictor={"width": 8, "heads": 2, "layers": 1, "form": "decomposed"},
        decoder={"distribution": distribution},
    )
    model = WorldModel(moments, ConditionSpec(torch.zeros(3, 0), 3), config).eval()
    with torch.no_grad():
        for parameter in model.encoder.out.parameters():
            parameter.zero_()
        model.predictor.transformer.first.weight *= 20.0
        model.predictor.transformer.log_variance.bias -= 6.0
        model.decoder.logits.weight *= 6.0
        model.decoder.log_dispersion.fill_(1.0)
    return model.requires_grad_(False)


def make_prepared(model: WorldModel, fraction: float) -> Prepared:
    """Return cells of the model's own mean effects, of which a fraction responds."""
    rng, theta = np.random.default_rng(0), np.exp(1.0)
    base = model.decoder.mean_shares(torch.zeros(1, 6))[0].numpy()
    members = torch.from_numpy(VOCABULARY.encode(LABELS))
    condition = Condition(members, torch.zeros((3, 0), dtype=torch.int64))
    shifted = model.predict(torch.zeros(3, 6), condition).mean
    ratio = model.decoder.mean_shares(shifted) / torch.from_numpy(base)
    own = responder_ratio(ratio, fraction).numpy()
    rows, labels = [np.tile(base, (CONTROLS, 1))], [CONTROL] * CONTROLS
    for label, change in zip(LABELS, own, strict=True):
        responds = (np.arange(CELLS) < fraction * CELLS)[:, None]
        rows.append(np.where(responds, base * change, base))
        labels += [label] * CELLS
    library = rng.uniform(2000.0, 4000.0, len(labels))
    mean = library[:, None] * np.concatenate(rows)
    counts = rng.poisson(mean * rng.standard_gamma(theta, mean.shape) / theta).astype(np.float32)
    number = len(labels)
    cells = Annotated(
        CellTable(csr_matrix(counts), library),
        np.arange(number).astype(str),
        np.array(labels),
        np.zeros((number, 0), dtype=np.int64),
        np.zeros(number, dtype=np.int64),
        None,
    )
    parts: Any = SimpleNamespace(
        vocabulary=VOCABULARY,
        observed=SimpleNamespace(labels=LABELS),
        training=cells,
        controls=cells.take(np.arange(CONTROLS)),
    )
    return cast(Prepared, parts)


@pytest.mark.parametrize("fraction", [0.3, 0.7])
def test_the_fraction_of_responders_is_recovered(fraction) -> None:
    model = make_model()
    mixture = fit_responders(model, make_prepared(model, fraction))
    assert mixture is not None
    members = torch.from_numpy(VOCABULARY.encode(("A", "B", "C", "A+B")))
    np.testing.assert_allclose(mixture.fraction(members).numpy(), fraction, atol=0.06)
    assert list(mixture.measured(members) >= 0) == [True, True, True, False]


def test_where_all_cells_respond_there_is_no_mixture() -> None:
    model = make_model()
    assert fit_responders(model, make_prepared(model, 1.0)) is None


def test_a_decoder_with_zero_inflation_has_none() -> None:
    model = make_model("zinb")
    assert fit_responders(model, make_prepared(model, 0.3)) is None

"""The public model: pretrain, fit, embed, predict, effects, interactions, rollout, save, load."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gpjepa.api import answers
from gpjepa.api.controls import ControlCells, bound, from_anndata, kept_controls
from gpjepa.api.interactions import interaction_table
from gpjepa.api.populations import Start
from gpjepa.api.record import TrainingRecord
from gpjepa.api.responders import responder_table
from gpjepa.api.spread import spread_table
from gpjepa.api.training import Trainee
from gpjepa.core.config import Config, HeadKind
from gpjepa.core.errors import CheckpointError
from gpjepa.data.given_features import Given, given_tables, warn_of_few
from gpjepa.data.partition import Split
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.inference.bundle import Bundle, EncoderBundle
from gpjepa.inference.embed import embed_cells
from gpjepa.training.pipeline import Session

if TYPE_CHECKING:
    from anndata import AnnData
    from pandas import DataFrame


class GPJEPA:
    """A generative world model of perturbed cells.

    Gene selection, moments and everything else that is fitted see the training cells of `split`
    only (None: nothing held out). `features` are tables of perturbed genes (ESM2, GenePT, …):
    `GeneFeatures`, a DataFrame keyed by symbol, a path, or several of them. They are used beside
    the sources in `config.perturbation.features`; with these empty, alone.
    Source: the architecture of Assran et al. 2023 (I-JEPA) and V-JEPA 2-AC, with the variational
    reading of Var-JEPA 2026 and a negative-binomial decoder.
    """

    def __init__(
        self,
        data: PerturbSeq,
        config: Config | None = None,
        split: Split | None = None,
        *,
        features: Given | Sequence[Given] | None = None,
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        chosen = split if split is not None else data.split("none", seed=seed)
        tables = given_tables(features)
        warn_of_few(tables, data.members)
        self._trainee: Trainee | None = Trainee(
            data, chosen, config or Config(), tables or None, seed, device
        )
        self._bundle: Bundle | None = None
        starts = data.subset(chosen.parts(data).train_controls)
        self._controls = kept_controls(starts.select_genes(self._trainee.prepared.genes), seed)

    @classmethod
    def _restored(cls, bundle: Bundle, controls: ControlCells, trainee: Trainee | None) -> GPJEPA:
        model = cls.__new__(cls)
        model._trainee, model._bundle, model._controls = trainee, bundle, controls
        return model

    @property
    def config(self) -> Config:
        """Return the settings."""
        return self._bundle.config if self._bundle else self._training().config

    @property
    def bundle(self) -> Bundle:
        """Return the fitted parts; raise `CheckpointError` before `fit`."""
        if self._bundle is None:
            raise CheckpointError(
                "the model is not fitted yet; expected a fitted one; call fit() first"
            )
        return self._bundle

    @property
    def controls(self) -> ControlCells:
        """Return the control cells that predictions start from."""
        return self._controls

    def _training(self) -> Trainee:
        if self._trainee is None:
            raise CheckpointError(
                "a loaded model has no training data; expected one made from data; make "
                "GPJEPA(data, config, split) to train"
            )
        return self._trainee

    def pretrain(
        self,
        unlabelled: AnnData | Sequence[AnnData] | None = None,
        *,
        session: Session | None = None,
    ) -> TrainingRecord:
        """Run Stage A on the training cells and on `unlabelled` cells (raw counts, same genes)."""
        return self._training().pretrain(unlabelled, session)

    def encoder_bundle(self) -> EncoderBundle:
        """Return the encoder as Stage A left it."""
        return self._training().encoder_bundle()

    def use_encoder(self, encoder: EncoderBundle) -> None:
        """Start `fit` from an encoder of another run; raise `CheckpointError` if unfit."""
        self._training().use_encoder(encoder)

    def fit(self, *, session: Session | None = None) -> TrainingRecord:
        """Run Stages B and C jointly; the parameters that validate best are kept."""
        record, self._bundle = self._training().fit(session)
        return record

    def swap_head(
        self, kind: HeadKind, data: PerturbSeq | None = None, split: Split | None = None
    ) -> TrainingRecord:
        """Give the fitted model another latent head; encoder, predictor and decoder stay.

        `kind` is "variational", "diffusion", "flow" or "auto", which chooses on validation
        perturbations and says why in the record's `head`. A loaded model needs the `data` and
        `split` that it was trained on; raises `CheckpointError` for others.
        """
        trainee = self._training() if data is None else Trainee.of(self.bundle, data, split)
        record, self._bundle = trainee.swap_head(self.bundle, kind)
        return record

    def embed(self, adata: AnnData | Path | str) -> np.ndarray:
        """Return teacher embeddings, float32 [cells, latent]; genes are matched by name.

        Raises `DataError` for missing genes.
        """
        if self._bundle is None:
            encoder = self._training().encoder_bundle()
            return embed_cells(encoder.teacher, bound(adata, encoder.panel))
        return embed_cells(self._bundle.teacher, bound(adata, self._bundle.panel))

    def predict(
        self,
        labels: Sequence[str] | str,
        cells: int = 400,
        control: AnnData | None = None,
        context: str | None = None,
        dose: float | None = None,
        seed: int = 0,
        modality: str | None = None,
        uncertainty: bool = False,
    ) -> AnnData:
        """Sample `cells` cells of raw counts for each perturbation.

        X is int32 CSR in the order of the modelled genes; obs holds perturbation, total_counts
        (the library ℓ, taken from control cells) and the control's covariates. `control` replaces
        the stored control cells, `context` restricts them to a cell type or batch. `modality` is
        how genes are perturbed (CRISPRi, …), for a model trained on several ways; None is the
        only or commonest one of each gene in training, as obs perturbation says.

        Sampled cells that start from the training control cells are without half of these' own
        estimated error, `predict("control")` too. With `uncertainty` a population's mean is moved
        by one draw of the error of its effect, another for each seed: over seeds it spreads as far
        as the error bar. Raises `VocabularyError` for a perturbation with neither training cells
        nor features.
        """
        start = self._start(control, context, dose, modality)
        return answers.populations(start, labels, cells, seed, uncertainty)

    def rollout(
        self,
        labels: Sequence[str],
        cells: int = 400,
        control: AnnData | None = None,
        context: str | None = None,
        dose: float | None = None,
        seed: int = 0,
        modality: str | None = None,
    ) -> AnnData:
        """Apply perturbations one after the other, each on the state that the last one left.

        Returns what `predict` returns, with the steps joined by " > " in obs perturbation.
        """
        return answers.sequence(self._start(control, context, dose, modality), labels, cells, seed)

    def effects(
        self,
        labels: Sequence[str] | str,
        level: float = 0.9,
        control: AnnData | None = None,
        context: str | None = None,
        dose: float | None = None,
        seed: int = 0,
        modality: str | None = None,
    ) -> DataFrame:
        """Return mean effects: perturbation, gene, effect, low, high, novelty, verdict, …

        Effects are differences of log1p(T · share of the library) to the control cells, T their
        median library. Intervals are for the effect itself, not for a new measurement; `sd` is
        the standard deviation of its error, `calibrated` False where too few validation
        perturbations stand behind it. `source` is "model" or what validation found closer: "sum"
        (of measured singles), "training mean", "no change".
        """
        return answers.effect_table(
            self._start(control, context, dose, modality), labels, level, seed
        )

    def interactions(
        self,
        labels: Sequence[str] | str,
        level: float = 0.9,
        control: AnnData | None = None,
        context: str | None = None,
        dose: float | None = None,
        seed: int = 0,
        modality: str | None = None,
    ) -> DataFrame:
        """Return what combinations do beyond their parts: perturbation, gene, interaction, low, …

        Further columns: high, class, effect, additive, departure, novelty, verdict, calibrated.
        Where measured effects are composed, `interaction` is what the composition adds to the sum
        of the members' effects, `additive`. Else it is the predicted effect with the pair shifts
        Δ₂ minus the one without them, and `additive` is the sum of the members' predicted effects;
        a predictor of the form "free" has no Δ₂: there it is `departure`. `departure` is `effect`
        minus `additive`; it also holds what the decoder, which is not linear, makes of it.

        Intervals are for the interaction itself, with what the error of measured singles adds.
        `class` is Norman's, by the rules of `evaluation.interaction_naming` on genes with a mean of
        .1 counts in controls that nothing perturbs; it is empty for more than two members. Raises
        `VocabularyError` for a single perturbation and the control.
        """
        return interaction_table(self._start(control, context, dose, modality), labels, level, seed)

    def spread(
        self,
        labels: Sequence[str] | str,
        cells: int = 1000,
        control: AnnData | None = None,
        context: str | None = None,
        dose: float | None = None,
        seed: int = 0,
        modality: str | None = None,
    ) -> DataFrame:
        """Return sources of the spread of predicted cells: perturbation, source, share, error.

        What library, control cell, latent and counts add, in this order, to the variance of
        log1p(T · counts / library), as shares that sum to 1, with one standard error.
        """
        return spread_table(self._start(control, context, dose, modality), labels, cells, seed)

    def responders(
        self,
        labels: Sequence[str] | str,
        level: float = 0.9,
        control: AnnData | None = None,
        context: str | None = None,
        seed: int = 0,
    ) -> DataFrame:
        """Return how many cells respond, and how strongly: perturbation, fraction, low, high, …

        Further columns: effect, responder_effect, measured; see `responder_table`.
        """
        return responder_table(self._start(control, context, None, None), labels, level, seed)

    def _start(
        self,
        control: AnnData | None,
        context: str | None,
        dose: float | None,
        modality: str | None,
    ) -> Start:
        """Bind the fitted model to the control cells that a call starts from."""
        bundle = self.bundle
        own = cells = self._controls
        if control is not None:
            cells = from_anndata(control, bundle.panel, bundle.vocabulary)
        return Start(bundle, cells.within(context), dose, modality, own)

    def save(self, path: Path | str, *, force: bool = False) -> Path:
        """Write the model to a directory: safetensors, JSON and control cells.

        Raises `OutputExistsError` when the directory holds something and `force` is off.
        """
        from gpjepa.api.run import save_model

        return save_model(self, Path(path), force)

    @classmethod
    def load(cls, path: Path | str, device: str = "auto") -> GPJEPA:
        """Read a saved model; it predicts without its training data.

        Raises `CheckpointError` for files that are missing, damaged or of another program.
        """
        from gpjepa.api.run import load_model

        bundle, controls = load_model(Path(path), device)
        return cls._restored(bundle, controls, None)

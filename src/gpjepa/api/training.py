"""A model in training: what GPJEPA holds until it is fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gpjepa.api.controls import bound
from gpjepa.api.heads import head_fitting, swapped
from gpjepa.api.record import TrainingRecord
from gpjepa.compose.latent import fit_members
from gpjepa.core.config import Config, HeadKind
from gpjepa.core.contradictions import LEARNED
from gpjepa.core.errors import CheckpointError
from gpjepa.core.threads import steady_threads
from gpjepa.data.feature_table import GeneFeatures
from gpjepa.data.gene_features import COLLECTIONS
from gpjepa.data.partition import Split
from gpjepa.data.perturbseq import PerturbSeq
from gpjepa.evaluation.gate import expressed_untargeted
from gpjepa.inference.bundle import Bundle, EncoderBundle, GenePanel
from gpjepa.inference.cells import CellTable, tables_joined
from gpjepa.model.effect_composition import EffectComposition
from gpjepa.model.encoder import CellEncoder
from gpjepa.training.finish import Choose, finish
from gpjepa.training.measured_effects import MeasuredEffects
from gpjepa.training.pipeline import (
    Session,
    run_decode,
    run_stage_a,
    run_stage_bc,
    seeded_encoder,
)
from gpjepa.training.prepare import Prepared, prepare
from gpjepa.training.processes import open_fabric

if TYPE_CHECKING:
    from anndata import AnnData


class Trainee:
    """Prepared data with the encoder that Stage A left."""

    def __init__(
        self,
        data: PerturbSeq,
        split: Split,
        config: Config,
        features: Sequence[GeneFeatures] | None,
        seed: int,
        device: str,
    ) -> None:
        self.config, self.seed, self.split, self.given = config, seed, split, features
        self.data = data
        with steady_threads(data.n_genes):
            self.prepared: Prepared = prepare(data, split, config, features)
        self.session = Session(fabric=open_fabric(device), seed=seed)
        moments = self.prepared.moments
        self.panel = GenePanel(self.prepared.genes, moments.has_rest, moments.target)
        self.encoder = seeded_encoder(moments, config, seed)
        self.teacher: CellEncoder | None = None

    @classmethod
    def of(cls, bundle: Bundle, data: PerturbSeq, split: Split | None) -> Trainee:
        """Prepare the data that a fitted model was trained on, as it was."""
        device = bundle.model.device().type
        return cls(data, split or data.split("none"), bundle.config, None, 0, device)

    def encoder_bundle(self) -> EncoderBundle:
        """Return the encoder as it is; before Stage A the teacher is its copy."""
        teacher = self.teacher or self.encoder
        return EncoderBundle(self.config, self.panel, self.encoder.eval(), teacher.eval())

    def use_encoder(self, encoder: EncoderBundle) -> None:
        """Take the encoder of another run of the same genes."""
        if encoder.panel.names != self.panel.names:
            own, theirs = set(self.panel.names), set(encoder.panel.names)
            missing = sorted(theirs - own)[:5] or sorted(own - theirs)[:5]
            raise CheckpointError(
                f"the encoder was trained on {len(theirs)} genes, these data model {len(own)} "
                f"(differing: {', '.join(missing) or 'the order'}); expected the same genes; "
                "pretrain on these data"
            )
        if encoder.panel.has_rest != self.panel.has_rest:
            raise CheckpointError(
                "the encoder and these data differ in whether libraries count the rest of the "
                "transcriptome; expected the same; give the totals of both or of neither"
            )
        latent = self.config.encoder
        if encoder.config.encoder != latent:
            raise CheckpointError(
                f"the encoder has settings {encoder.config.encoder}; expected {latent}; "
                "train with the encoder's own settings"
            )
        self.encoder, self.teacher = encoder.encoder, encoder.teacher

    def pretrain(
        self, unlabelled: AnnData | Sequence[AnnData] | None, session: Session | None
    ) -> TrainingRecord:
        """Run Stage A."""
        extra = _as_list(unlabelled)
        tables = [self.prepared.training.table]
        for adata in extra:
            cells = bound(adata, self.panel)
            tables.append(CellTable(cells.counts, cells.library))
        used = session or self.session
        target = self.prepared.moments.target
        with steady_threads(len(self.panel.names), used.threads):
            everyone = tables_joined(tables)
            stage, progress = run_stage_a(self.encoder, everyone, target, self.config, used)
        self.encoder, self.teacher = stage.encoder, stage.embedder()
        return TrainingRecord.of(progress)

    def fit(self, session: Session | None) -> tuple[TrainingRecord, Bundle]:
        """Run Stages B and C and calibrate on validation perturbations.

        Without counts in their objective the decoder is fitted afterwards.
        """
        used = session or self.session
        with steady_threads(len(self.panel.names), used.threads):
            return self._fit(used)

    def _fit(self, used: Session) -> tuple[TrainingRecord, Bundle]:
        config = self.config
        prepared, after = self.prepared, []
        gated = gated_genes(prepared)
        everything = np.ones(len(prepared.genes), dtype=bool)  # responders of all genes
        composition = self._composition(prepared.observed, gated, used.seed)
        stage, progress = run_stage_bc(
            prepared, self.encoder, self.teacher, config, used, composition
        )
        if not config.loss.nb:
            after.append(run_decode(stage.model, prepared, config, used))
        done = finish(
            stage.model.eval().requires_grad_(False),
            prepared,
            stage.validation,
            gated,
            composition,
            lambda measured: self._composition(measured, gated, used.seed),
            self._choose(gated, used),
            lambda measured: self._composition(measured, everything, used.seed),
        )
        after += [] if done.head is None else [done.head]
        chosen = config if done.choice is None else config.with_head(done.choice.kind)
        bundle = Bundle(
            chosen,
            self.panel,
            prepared.vocabulary,
            done.model,
            stage.embedder().eval(),
            replace(done.calibration, contexts=prepared.contexts),
        )
        return TrainingRecord.of(progress, *after, head=done.choice), bundle

    def _choose(self, gated: np.ndarray, used: Session) -> Choose | None:
        """Return what gives a fitted model the head that the settings name, if it comes after."""
        if self.config.head.kind not in LEARNED:
            return None
        vocabulary, kind = self.prepared.vocabulary, self.config.head.kind
        fitting = head_fitting(self.prepared, vocabulary, gated, self.config, used)
        return lambda model: fitting.choose(model, kind)

    def swap_head(self, bundle: Bundle, kind: HeadKind) -> tuple[TrainingRecord, Bundle]:
        """Fit another head on a fitted model of these data."""
        used = self.session
        with steady_threads(len(self.panel.names), used.threads):
            return swapped(bundle, self.prepared, gated_genes(self.prepared), kind, used)

    def _composition(
        self, measured: MeasuredEffects, gated: np.ndarray, seed: int
    ) -> EffectComposition | None:
        """Fit how effects combine and relate on the measured effects of the `gated` genes.

        Less the error of the control that all of them share: sums would hold it more than once.
        """
        prepared, genes = self.prepared, np.flatnonzero(gated)
        if self.config.predictor.form != "composed" or prepared.vocabulary.dose:
            return None  # effects measured over all doses say nothing of one
        known = measured.posterior
        return fit_members(
            measured.labels,
            (measured.effect - known.shared)[:, genes],
            known.mean[:, genes],
            genes,
            prepared.vocabulary,
            self._features(),
            self.config.encoder.latent,
            seed,
            trained=prepared.observed.labels,
        )

    def _features(self) -> GeneFeatures | None:
        """Return the features that the perturbation embedding has; None for all gene sets."""
        if self.given is None and self.config.perturbation.features == COLLECTIONS:
            return None
        values = self.prepared.spec.features.numpy()
        told = np.flatnonzero(np.abs(values).sum(axis=1))
        names = tuple(self.prepared.vocabulary.members[row] for row in told)
        return GeneFeatures(names, values[told] if names else np.zeros((0, 1)))


def gated_genes(prepared: Prepared) -> np.ndarray:
    """Mark [G] the genes that effects are judged on.

    Mean count of at least .1 in control cells, and perturbed by no training perturbation; where
    no gene passes, all count.
    """
    targets = prepared.vocabulary.members[: prepared.vocabulary.measured]
    genes = np.array(prepared.genes, dtype=object)
    gated = expressed_untargeted(prepared.controls.table.counts, genes, targets)
    return gated if gated.any() else np.ones(len(genes), dtype=bool)


def _as_list(unlabelled: AnnData | Sequence[AnnData] | None) -> list[AnnData]:
    if unlabelled is None:
        return []
    return list(unlabelled) if isinstance(unlabelled, (list, tuple)) else [unlabelled]

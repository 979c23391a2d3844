"""The pairs of a run ranked by how much they interact, as files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gpjepa.api.interaction_files import genes_each, pairs_path, records, write
from gpjepa.api.interaction_ranking import rank
from gpjepa.api.interactions import Watch, combinations_of, gated
from gpjepa.api.model import GPJEPA
from gpjepa.api.options import RunOptions
from gpjepa.api.populations import Start
from gpjepa.api.run import read_split
from gpjepa.core.errors import ConfigError, VocabularyError
from gpjepa.core.files import refuse_existing
from gpjepa.data.labels import pairs_of


def interactions_file(
    run: Path,
    out: Path,
    labels: Sequence[str],
    level: float,
    top: int | None,
    options: RunOptions,
    genes: int | None = None,
    modality: str | None = None,
) -> dict[str, Any]:
    """Write the interactions of a run's pairs, ranked: by gene to `out`, by pair beside it.

    Without `labels` all pairs of members that have training cells, measured together or not;
    `top` keeps the first, `genes` those of each that interact most (None: all that fit into
    250,000 rows). `modality` is how genes are perturbed, None the commonest one of each that is
    named. Returns `combinations`, the ranked list as in `pairs_out`; `measured` is None where the
    run has no split.

    Raises:
        VocabularyError: a label is no combination or has an unknown member or modality, or the
            run has fewer than two members to combine.
        ConfigError: `level`, `top` or `genes` out of range.
    """
    for path in (out, pairs_path(out)):
        refuse_existing(path, options.force)
    _require_positive(top=top, genes=genes)
    model = GPJEPA.load(run, options.device)
    options.apply_threads(len(model.bundle.panel.names))
    start = Start(model.bundle, model.controls, None, modality)
    scored = gated(start)
    asked = combinations_of(start, labels) if labels else all_pairs(model, modality)
    with _watching(options.progress) as watch:
        ranked = rank(start, asked, scored, level, top, options.seed, watch)
    told = records(start, ranked, measured := measured_labels(run))
    width = genes_each(len(told), len(scored), genes)
    write(out, start, ranked, measured, told, width)
    return {
        "out": str(out),
        "pairs_out": str(pairs_path(out)),
        "pairs": len(asked),
        "written": len(told),
        "genes": len(scored),
        "genes_written": width,
        "level": level,
        "calibrated": model.bundle.calibration.calibrated,
        "supports_interactions": model.bundle.calibration.supports_interactions,
        "combinations": told,
    }


def _require_positive(**counts: int | None) -> None:
    for name, value in counts.items():
        if value is not None and value < 1:
            raise ConfigError(f"{name} is {value}; expected 1 or more; leave it out for all")


def all_pairs(model: GPJEPA, modality: str | None = None) -> tuple[str, ...]:
    """Return all pairs of members with training cells, of one modality where it is given.

    Raises `VocabularyError` for a modality that was not trained on, and where there is no pair.
    """
    known = model.bundle.vocabulary.trained(modality)
    pairs = pairs_of(known)
    if not pairs:
        way = "" if modality is None else f" of modality {modality!r}"
        raise VocabularyError(
            f"the run has {len(known)} perturbation(s) with training cells{way}; expected two or "
            "more genes to combine; train on more, or name combinations"
        )
    return tuple(pairs)


def measured_labels(run: Path) -> frozenset[str] | None:
    """Return the perturbations that the run's data hold, held out or not; None if not recorded."""
    if not (run / "split.json").exists():
        return None
    split = read_split(run)
    return frozenset((*split.train, *split.validation, *split.test))


@contextmanager
def _watching(enabled: bool) -> Iterator[Watch | None]:
    """Draw a bar of the combinations done on stderr."""
    if not enabled:
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("pairs", total=None)

        def watch(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield watch

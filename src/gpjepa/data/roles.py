"""Which obs column plays which role: given by the user or detected, and always said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gpjepa.core.errors import DataError, unknown
from gpjepa.data.labels import CONTROL_NAMES, is_control_name
from gpjepa.data.modality import MODALITY_COLUMNS, are_modalities

if TYPE_CHECKING:
    from pandas import DataFrame

PERTURBATION_COLUMNS = (
    "perturbation",
    "condition",
    "target_gene",
    "gene",
    "gene_target",
    "perturbation_name",
    "target",
    "arm",
)
LIBRARY_COLUMNS = ("total_counts", "n_counts", "total_umi")
CELL_TYPE_COLUMNS = ("cell_type", "celltype", "cell_label")
DOSE_COLUMNS = ("dose", "dose_value", "dose_val", "concentration")
BATCH_COLUMNS = ("batch", "replicate", "gemgroup", "gem_group")


@dataclass(frozen=True)
class Roles:
    """The columns and names that were chosen; None where a role is not filled."""

    perturbation: str
    control: str
    layer: str
    library: str | None = None
    batch: str | None = None
    cell_type: str | None = None
    dose: str | None = None
    modality: str | None = None
    remarks: tuple[str, ...] = ()  # how it came to the choice, where that is not plain

    def describe(self) -> list[str]:
        """Return lines that say what was chosen."""
        library = f"column {self.library!r}" if self.library else "sum over the genes here"
        chosen = [
            f"perturbation: column {self.perturbation!r}",
            f"control: {self.control!r}",
            f"counts: {self.layer}",
            f"library: {library}",
        ]
        for role in ("batch", "cell_type", "dose"):
            column = getattr(self, role)
            chosen.append(f"{role}: " + (f"column {column!r}" if column else "none"))
        if self.modality is not None:
            chosen.append(f"modality: column {self.modality!r}")
        return chosen + [f"note: {remark}" for remark in self.remarks]


def find_roles(
    obs: DataFrame,
    perturbation: str | None = None,
    control: str | None = None,
    batch: str | None = None,
    cell_type: str | None = None,
    dose: str | None = None,
    modality: str | None = None,
) -> Roles:
    """Choose the columns and the control label of `obs`; `layer` and `library` are left open.

    A perturbation column is detected only if it holds a control label.

    Raises `DataError` when a role that is needed is absent or ambiguous.
    """
    column, remarks = _perturbation_column(obs, perturbation, control)
    label = _control_label(column, levels(obs, column), control)
    chosen = {"batch": batch, "cell_type": cell_type}
    for role, names in (("batch", BATCH_COLUMNS), ("cell_type", CELL_TYPE_COLUMNS)):
        given = chosen[role]
        if given is not None:
            require_column(obs, given, role)
        else:
            chosen[role], remark = _covariate(obs, names, column)
            remarks += [remark] if remark else []
    if dose is not None:
        require_column(obs, dose, "dose")
    else:
        remarks += _unused_dose(obs, column, label)
    if modality is not None:
        require_column(obs, modality, "modality")
    else:
        modality, remark = _modality(obs, column, label)
        remarks += [remark] if remark else []
    return Roles(
        column, label, "X", None, **chosen, dose=dose, modality=modality, remarks=tuple(remarks)
    )


def with_sources(roles: Roles, layer: str, library: str | None, remarks: Sequence[str]) -> Roles:
    """Return `roles` with the places of counts and library filled in."""
    return replace(roles, layer=layer, library=library, remarks=(*roles.remarks, *remarks))


def require_column(obs: DataFrame, column: str, role: str) -> None:
    """Raise `DataError` unless `obs` has the column given for `role`."""
    if column not in obs.columns:
        names = [str(name) for name in obs.columns]
        advice = f"obs has: {', '.join(names) or 'no columns'}; name one of them"
        raise DataError(unknown(f"{role} column", column, names, advice))


def columns_like(obs: DataFrame, names: Sequence[str]) -> list[str]:
    """Return the columns of `obs` that are one of `names` in any case, in the order of `names`."""
    return [
        str(column)
        for name in names
        for column in obs.columns
        if str(column).casefold() == name.casefold()
    ]


def text_values(obs: DataFrame, column: str) -> NDArray[np.object_]:
    """Return a column as stripped strings, with None for missing and empty values."""
    import pandas

    values = obs[column]
    missing = np.array(pandas.isna(values), dtype=bool)
    texts = np.array([str(value).strip() for value in values], dtype=object)
    missing |= np.isin(np.char.lower(texts.astype(str)), ("", "nan")) if len(texts) else missing
    texts[missing] = None
    return texts


def levels(obs: DataFrame, column: str) -> list[str]:
    """Return the distinct texts of a column in the order they occur, missing ones left out."""
    return [text for text in dict.fromkeys(text_values(obs, column)) if text is not None]


def _perturbation_column(
    obs: DataFrame, given: str | None, control: str | None
) -> tuple[str, list[str]]:
    if given is not None:
        require_column(obs, given, "perturbation")
        return given, []
    candidates = columns_like(obs, PERTURBATION_COLUMNS)
    names = ", ".join(map(str, obs.columns)) or "no columns"
    if not candidates:
        raise DataError(
            f"no perturbation column found (obs has: {names}); expected one of "
            f"{', '.join(PERTURBATION_COLUMNS)}; name yours with perturbation=... "
            "(--perturbation)"
        )
    wanted = CONTROL_NAMES if control is None else (control,)
    fit = [
        column
        for column in candidates
        if any(is_control_name(level, wanted) for level in levels(obs, column))
    ]
    if not fit:
        first = candidates[0]
        blank = sum(text is None for text in text_values(obs, first))
        told = f"; {blank} cells have no label" if blank else ""
        raise DataError(
            f"no control cells: column{'s' if len(candidates) > 1 else ''} "
            f"{', '.join(map(repr, candidates))} hold{'' if len(candidates) > 1 else 's'} none of "
            f"{', '.join(wanted)} ({first!r} holds {_shown(levels(obs, first))}{told}); expected "
            "control cells in the perturbation column; name the column and its control label with "
            "perturbation=... and control=..."
        )
    twins = [column for column in fit if column.casefold() == fit[0].casefold()]
    if len(twins) > 1:
        raise DataError(
            f"perturbation column is ambiguous: {', '.join(map(repr, twins))} all hold a control "
            "label; expected one; name it with perturbation=... (--perturbation)"
        )
    others = [column for column in fit if column not in twins]
    remark = f"{', '.join(map(repr, others))} would do as perturbation column too and is not used"
    return fit[0], [remark] if others else []


def _control_label(column: str, found: list[str], given: str | None) -> str:
    shown = _shown(found)
    if given is not None:
        hits = [level for level in found if level == given.strip()]
        hits = hits or [level for level in found if is_control_name(level, (given,))]
        if not hits:
            advice = f"column {column!r} holds {shown}; name the label of its control cells"
            raise DataError(unknown("control label", given, found, advice))
    else:
        hits = [level for level in found if is_control_name(level)]
    if not hits:
        raise DataError(
            f"no control cells: column {column!r} holds {shown} and none of "
            f"{', '.join(CONTROL_NAMES)}; expected control cells; name their label with "
            "control=... (--control)"
        )
    if len(hits) > 1:
        raise DataError(
            f"control label is ambiguous: column {column!r} holds {', '.join(map(repr, hits))}; "
            "expected one; name it with control=... (--control)"
        )
    return hits[0]


def _shown(found: list[str]) -> str:
    """Return the first labels of a column."""
    return (", ".join(map(repr, found[:5])) or "no label") + (", ..." if len(found) > 5 else "")


def _covariate(
    obs: DataFrame, names: Sequence[str], perturbation: str
) -> tuple[str | None, str | None]:
    """Detect a covariate; one that is constant or has gaps is left alone, and that is said."""
    for column in columns_like(obs, names):
        if column == perturbation:
            continue
        found = levels(obs, column)
        if any(text is None for text in text_values(obs, column)):
            return None, f"column {column!r} is not used: it has missing values"
        if len(found) < 2:
            return None, f"column {column!r} is not used: it has one level ({found[0]!r})"
        return column, None
    return None, None


def _unused_dose(obs: DataFrame, perturbation: str, control: str) -> list[str]:
    """Say that a column holds several doses of perturbed cells, which are pooled unless named."""
    import pandas

    perturbed = text_values(obs, perturbation) != control
    for name in columns_like(obs, DOSE_COLUMNS):
        doses = pandas.to_numeric(obs[name][perturbed], errors="coerce")
        if name != perturbation and not doses.isna().any() and doses.nunique() > 1:
            return [
                f"column {name!r} is not used: cells of {doses.nunique()} doses are pooled; name "
                "it with dose=... (--dose) to tell them apart"
            ]
    return []


def _modality(obs: DataFrame, perturbation: str, control: str) -> tuple[str | None, str | None]:
    """Detect the column that says how genes were perturbed, by name and by what it holds."""
    for column in columns_like(obs, MODALITY_COLUMNS):
        if column == perturbation or not are_modalities(levels(obs, column)):
            continue
        perturbed = text_values(obs, perturbation) != control
        if any(text is None for text in text_values(obs, column)[perturbed]):
            return None, f"column {column!r} is not used: it has missing values"
        return column, None
    return None, None

from __future__ import annotations

from gpjepa.benchmark import kang_pbmc
from gpjepa.core.config import Config


def test_each_seed_leaves_out_another_cell_type_and_its_stimulated_cells(
    monkeypatch, config: Config
) -> None:
    left = []

    def score_context(data, column, level, group, config, seed, device) -> str:
        left.append((level, config.data.genes))
        assert (column, group) == ("cell_type", "cell type left out")
        assert level in set(data.cell_type)
        assert data.perturbations == ("stimulated",)
        return "scores"

    monkeypatch.setattr(kang_pbmc, "score_context", score_context)
    for seed in range(3):
        assert kang_pbmc.unseen_cell_type(config, seed, "cpu") == "scores"
    assert {genes for _, genes in left} == {kang_pbmc.GENES}
    assert len({level for level, _ in left}) == 3


def test_after_fit_cell_types_are_scored_with_the_genes_of_the_other_part(
    monkeypatch, config: Config
) -> None:
    def score(adata, data, config, seed, device) -> tuple[int, int | None]:
        return data.n_cells, config.data.genes

    monkeypatch.setattr(kang_pbmc, "score_fitted", score)
    assert kang_pbmc.types_after_fit(config, 0, "cpu") == (1975, kang_pbmc.GENES)


def test_cell_types_are_scored_on_all_annotated_cells(monkeypatch, config: Config) -> None:
    def score(adata, data, config, seed, device) -> tuple[int, int, int]:
        return adata.n_obs, data.n_cells, seed

    monkeypatch.setattr(kang_pbmc, "score_cell_types", score)
    assert kang_pbmc.cell_types(config, 2, "cpu") == (1975, 1975, 2)

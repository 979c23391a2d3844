"""Every ablation trains and predicts, and what it takes away is really gone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gpjepa.api.model import GPJEPA
from gpjepa.core.config import Config
from gpjepa.core.errors import ConfigError
from gpjepa.core.random import torch_stream
from gpjepa.training.ablations import ABLATIONS, NAMES, ablated

CPU = torch.device("cpu")
JEPA_TERMS = {"predict", "vicreg"}
COUNT_TERMS = {"nb", "predictor_nb", "population"}


@pytest.fixture(scope="module")
def trained(tiny, data, split):
    """Train an ablation on the tiny screen, once each."""
    kept = {}

    def train(name: str):
        if name not in kept:
            config = tiny.make_config()
            config = config if name == "full" else ablated(config, name)
            model = GPJEPA(data, config, split, device="cpu")
            kept[name] = (model, model.pretrain(), model.fit())
        return kept[name]

    return train


def terms_of(record, stage: str = "fit") -> set[str]:
    history = record.history
    rows = history[(history["stage"] == stage) & (history["set"] == "train")]
    return {term for term in rows["term"] if term != "total" and not term.startswith("monitor/")}


@pytest.mark.parametrize("name", NAMES)
def test_every_ablation_trains_predicts_and_comes_back_from_disk(
    trained, tmp_path, name: str
) -> None:
    model, _, _ = trained(name)
    found = model.predict(["C+D", "A"], cells=20)
    assert found.X.dtype == np.int32
    assert found.shape[0] == 40
    effects = model.effects(["C+D", "A"])["effect"]
    assert np.isfinite(effects).all()
    model.save(tmp_path / "saved")
    again = GPJEPA.load(tmp_path / "saved", device="cpu")
    assert (again.predict(["C+D", "A"], cells=20).X != found.X).nnz == 0


@pytest.mark.parametrize("name", NAMES)
def test_every_ablation_changes_the_settings_and_leaves_what_was_chosen(name: str) -> None:
    chosen = Config(encoder={"latent": 12}, fit={"epochs": 7})
    found = ablated(chosen, name)
    assert found != chosen
    assert (found.encoder.latent, found.fit.epochs) == (12, 7)
    assert ablated(found, name) == found


def test_ablations_say_what_they_remove_and_what_they_ask() -> None:
    assert len(set(NAMES)) == len(NAMES) == len(ABLATIONS)
    assert len({ablation.settings for ablation in ABLATIONS}) == len(NAMES)
    assert all(ablation.removes and ablation.asks for ablation in ABLATIONS)


@pytest.mark.parametrize("name", ["latent only", "plain NB-VAE", "transformer pairs"])
def test_what_is_to_do_without_composes_no_measured_effect(name: str) -> None:
    assert Config().predictor.form == "composed"
    assert ablated(Config(), name).predictor.form == "decomposed"
    assert ablated(Config(), "no JEPA").predictor.form == "composed"


def test_an_unknown_ablation_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"'plain VAE' is not known.*'plain NB-VAE'"):
        ablated(Config(), "plain VAE")


def test_the_full_model_has_every_term(trained) -> None:
    _, before, record = trained("full")
    assert terms_of(before, "pretrain") == JEPA_TERMS
    assert terms_of(record) == {*JEPA_TERMS, *COUNT_TERMS, "kl", "shift", "interaction"}


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        ("no JEPA", JEPA_TERMS),
        ("plain NB-VAE", JEPA_TERMS | {"predictor_nb", "population"}),
        ("no pseudobulk term", {"population"}),
        ("latent only", COUNT_TERMS | {"kl"}),
        ("deterministic", {"kl", "predictor_nb"}),
    ],
)
def test_terms_that_are_taken_away_are_not_in_the_history(trained, name: str, gone: set) -> None:
    _, _, full = trained("full")
    assert terms_of(trained(name)[2]) == terms_of(full) - gone


@pytest.mark.parametrize("name", ["no pretraining", "no JEPA", "plain NB-VAE"])
def test_without_pretraining_fit_starts_from_the_untrained_encoder(
    tiny, data, split, name: str
) -> None:
    model = GPJEPA(data, ablated(tiny.make_config(), name), split, device="cpu")
    untrained = GPJEPA(data, tiny.make_config(), split, device="cpu").encoder_bundle()
    record = model.pretrain()
    assert record.steps == 0
    before = untrained.encoder.state_dict()
    found = model.encoder_bundle().encoder.state_dict()
    assert all(torch.equal(found[key], before[key]) for key in before)


def test_the_coexpression_start_keeps_the_start_of_stage_a_without_its_steps(
    tiny, data, split
) -> None:
    model = GPJEPA(data, ablated(tiny.make_config(), "co-expression start"), split, device="cpu")
    before = model.encoder_bundle().encoder.embed.weight.clone()
    assert model.pretrain().steps == 0
    assert not torch.equal(model.encoder_bundle().encoder.embed.weight, before)


@pytest.mark.parametrize("name", ["no JEPA", "plain NB-VAE"])
def test_without_jepa_there_is_no_teacher_and_cells_are_embedded_by_the_encoder(
    tiny, prepared, make_stage, trained, name: str
) -> None:
    stage = make_stage(prepared, ablated(tiny.make_config(), name))
    assert stage.teacher is None
    assert not any(key.startswith("teacher.") for key in stage.state_dict())
    stage.after_step(0, 8)
    bundle = trained(name)[0].bundle
    encoder, teacher = bundle.model.encoder.state_dict(), bundle.teacher.state_dict()
    assert all(torch.equal(encoder[key], teacher[key]) for key in encoder)
    full = trained("full")[0].bundle
    assert not torch.equal(full.model.encoder.embed.weight, full.teacher.embed.weight)


def test_no_count_reaches_the_latent_only_model_before_its_decoder_is_fitted(
    tiny, prepared, make_stage
) -> None:
    stage = make_stage(prepared, ablated(tiny.make_config(), "latent only"))
    terms = stage(stage.batch(0, CPU), 0, 8, torch_stream(0, "test"))
    terms.total().backward()
    assert all(parameter.grad is None for parameter in stage.model.decoder.parameters())
    assert all(not parameter.requires_grad for parameter in stage.model.decoder.parameters())
    assert float(stage.model.encoder.embed.table.grad.abs().sum()) > 0
    assert stage.validate(CPU) == {}


def test_the_decoder_of_the_latent_only_model_is_fitted_after_the_rest(trained) -> None:
    model, _, record = trained("latent only")
    stages = list(dict.fromkeys(record.history["stage"]))
    assert stages == ["fit", "decode"]
    assert terms_of(record, "decode") == {"nb"}
    assert float(model.bundle.model.decoder.log_dispersion.abs().sum()) > 0  # it starts at zero


def test_a_deterministic_model_predicts_one_latent_per_control_cell(
    tiny, prepared, make_stage
) -> None:
    stage = make_stage(prepared, ablated(tiny.make_config(), "deterministic"))
    model, batch = stage.model, stage.batch(0, CPU)
    prediction = model.predict(model.encoder(batch.control, batch.control_library), batch.condition)
    one, other = (model.head.sample(prediction, torch_stream(seed, "test")) for seed in (0, 1))
    assert torch.equal(one, other)
    assert sum(parameter.numel() for parameter in model.head.parameters()) == 0
    stage(batch, 0, 8, torch_stream(0, "test")).total().backward()
    assert model.predictor.transformer.log_variance.weight.grad is None


def test_the_pair_shift_is_off_whatever_its_weights(tiny, prepared, make_stage) -> None:
    stage = make_stage(prepared, ablated(tiny.make_config(), "interaction off"))
    model, batch = stage.model, stage.batch(0, CPU)
    with torch.no_grad():
        model.predictor.transformer.second.weight.add_(1.0)
    state = model.encoder(batch.control, batch.control_library)
    prediction = model.predict(state, batch.condition)
    assert not prediction.second_order.any()
    assert float(prediction.first_order.detach().abs().sum()) > 0


def test_from_the_mean_state_every_cell_gets_the_same_shift_and_mean(trained) -> None:
    means = {}
    for name in ("full", "mean state"):
        model = trained(name)[0].bundle.model
        members = torch.zeros((5, 1), dtype=torch.long)
        from gpjepa.model.perturbation import Condition

        condition = Condition(members, torch.zeros((5, 0), dtype=torch.long))
        states = torch.randn((5, 8), generator=torch_stream(0, "states"))
        means[name] = model.predict(states, condition).mean
    assert torch.equal(means["mean state"], means["mean state"][:1].expand(5, -1))
    assert float(means["full"].std(dim=0).min()) > 0


def test_features_are_off(tiny, prepared, make_stage) -> None:
    from gpjepa.training.prepare import make_spec

    config = ablated(Config(), "features off")
    assert make_spec(prepared.vocabulary, config).features.shape[1] == 0


def test_the_frozen_encoder_stays_as_stage_a_left_it(tiny, data, split) -> None:
    model = GPJEPA(data, ablated(tiny.make_config(), "frozen encoder"), split, device="cpu")
    model.pretrain()
    before = model.encoder_bundle().encoder.embed.weight.clone()
    model.fit()
    assert torch.equal(model.bundle.model.encoder.embed.weight, before)


def test_a_latent_only_run_that_is_stopped_in_its_last_stage_goes_on_to_the_same_model(
    tiny, data, split, trained, tmp_path, monkeypatch
) -> None:
    from gpjepa.training.ablations.decode import StageDecode
    from gpjepa.training.pipeline import Session
    from gpjepa.training.processes import open_fabric

    config = ablated(tiny.make_config(), "latent only")
    whole = trained("latent only")[0].bundle.model.state_dict()
    real = StageDecode.batch

    def stop(stage, step, device):
        if step == 5:
            raise KeyboardInterrupt
        return real(stage, step, device)

    for resume in (False, True):
        model = GPJEPA(data, config, split, device="cpu")
        session = Session(fabric=open_fabric("cpu"), folder=tmp_path, resume=resume)
        model.pretrain(session=session)
        if resume:
            monkeypatch.setattr(StageDecode, "batch", real)
            model.fit(session=session)
        else:
            monkeypatch.setattr(StageDecode, "batch", stop)
            with pytest.raises(KeyboardInterrupt):
                model.fit(session=session)
    found = model.bundle.model.state_dict()
    assert all(torch.equal(found[key], whole[key]) for key in whole)

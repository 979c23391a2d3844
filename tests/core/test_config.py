from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from gpjepa.core.config import Config
from gpjepa.core.errors import ConfigError


def test_sections_take_dictionaries_and_keep_their_other_defaults() -> None:
    config = Config(pretrain={"epochs": 2})
    assert config.pretrain.epochs == 2
    assert config.pretrain.batch_size == Config().pretrain.batch_size
    assert config.fit == Config().fit


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Config().fit.epochs = 3


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"fit": {"epoch": 3}}, r"'fit\.epoch' is not known.*did you mean 'epochs'\?"),
        ({"fits": {"epochs": 3}}, r"'fits' is not known.*did you mean 'fit'\?"),
        ({"fit": {"zzzz": 3}}, r"'fit\.zzzz' is not known.*remove it"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_name(sections: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Config(**sections)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("fit", "epochs", 0),
        ("fit", "learning_rate", 0.0),
        ("fit", "encoder", "melt"),
        ("pretrain", "batch_size", "many"),
        ("pretrain", "mask_low", 1.5),
        ("encoder", "latent", 1),
        ("loss", "kl", -1.0),
        ("loss", "nb", float("inf")),
        ("decoder", "distribution", "poisson"),
        ("predictor", "cell_tokens", 3),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(section: str, key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"'{section}\.{key}' is .*expected: "):
        Config(**{section: {key: value}})


def test_toml_tables_are_the_sections(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('[fit]\nepochs = 5\n[decoder]\ndistribution = "zinb"\n')
    config = Config.from_toml(file)
    assert (config.fit.epochs, config.decoder.distribution) == (5, "zinb")


@pytest.mark.parametrize("content", [None, b"fit = [", b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_a_config_error(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "c.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"cannot be read.*expected TOML"):
        Config.from_toml(file)


def test_overrides_read_numbers_words_lists_and_none() -> None:
    config = Config().override(
        ["fit.epochs=7", "decoder.distribution=zinb", 'perturbation.features=["go"]']
    )
    assert config.fit.epochs == 7
    assert config.decoder.distribution == "zinb"
    assert config.perturbation.features == ("go",)
    assert Config().override(["data.genes=none"]).data.genes is None


def test_the_last_override_wins_and_the_original_stays() -> None:
    base = Config(fit={"epochs": 3})
    assert base.override(["fit.epochs=4", "fit.epochs=5"]).fit.epochs == 5
    assert base.fit.epochs == 3


@pytest.mark.parametrize("setting", ["fit.epochs", "epochs=3", "=3", "fit=3"])
def test_a_setting_without_section_key_or_value_is_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match=r"expected section\.key=value"):
        Config().override([setting])


def test_a_configuration_survives_json() -> None:
    config = Config(fit={"epochs": 9}, data={"genes": None})
    assert Config(**config.model_dump(mode="json")) == config


@pytest.mark.parametrize("kind", ["variational", "flow", "diffusion"])
def test_with_another_head_the_settings_still_agree(kind: str) -> None:
    asked = Config(head={"kind": "auto", "guidance": 2.0, "evaluations": 7})
    found = asked.with_head(kind)
    assert Config(**found.model_dump()) == found
    assert (found.head.kind, found.head.evaluations) == (kind, 7)
    assert found.head.guidance == (2.0 if kind == "diffusion" else 1.0)
    assert found.fit == asked.fit


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"kind": "crystal-ball"}, "head.kind"),
        ({"process": "sub-vp"}, "head.process"),
        ({"schedule": "sigmoid"}, "head.schedule"),
        ({"sampler": "euler"}, "head.sampler"),
        ({"evaluations": 1}, "head.evaluations"),
        ({"fitting_steps": 0}, "head.fitting_steps"),
        ({"guidance": -1.0}, "head.guidance"),
    ],
)
def test_a_head_that_cannot_be_is_refused(setting: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Config(head=setting)

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

import gpjepa
from gpjepa.core.errors import ConfigError, DataError, VocabularyError


def parts(screen, alone, count):
    rows = screen.pairs.rows[:count]
    labels = [screen.labels[row] for row in rows]
    return alone.effects, screen.effects[rows], alone.names, labels


def test_without_doubles_it_is_the_denoised_sum_and_says_so(screen, alone):
    composer = gpjepa.compose.fit(alone.effects, np.zeros((0, 12)), alone.names, [])
    assert "denoised sum" in composer.notes[0]
    found = composer.predict(["G00+G01"])
    assert np.corrcoef(found.effects[0], alone.sums(["G00+G01"])[0])[0, 1] > 0.9
    np.testing.assert_allclose(found.interaction, 0, atol=1e-9)
    assert np.isnan(found.low).all()
    nothing = gpjepa.compose.fit(alone.effects, None, alone.names, None).predict(["G00+G01"])
    np.testing.assert_array_equal(nothing.effects, found.effects)


def test_one_double_rescales_the_sum(screen, alone):
    composer = gpjepa.compose.fit(*parts(screen, alone, 1))
    assert "1 doubles are too few" in composer.notes[0]
    assert np.isfinite(composer.predict(["G00+G01"]).effects).all()


@pytest.fixture(scope="module")
def fitted(screen, alone):
    return gpjepa.compose.fit(*parts(screen, alone, 12)).predict(["G00+G13"])


def test_units_in_are_units_out(screen, alone, fitted):
    singles, doubles, names, labels = parts(screen, alone, 12)
    scaled = gpjepa.compose.fit(singles * 100, doubles * 100, names, labels).predict(["G00+G13"])
    np.testing.assert_allclose(scaled.effects, fitted.effects * 100, rtol=1e-4)
    np.testing.assert_allclose(scaled.high, fitted.high * 100, rtol=1e-4)


def test_frames_and_labels_in_any_order_give_the_same_numbers(screen, alone, fitted):
    singles, doubles, names, labels = parts(screen, alone, 12)
    columns = [f"gene{index}" for index in range(12)]
    turned = ["+".join(reversed(label.split("+"))) for label in labels]
    frames = (pd.DataFrame(singles, names, columns), pd.DataFrame(doubles, turned, columns))
    composer = gpjepa.compose.fit(*frames, names, turned)
    assert composer.genes == tuple(columns)
    found = composer.predict(["G13+G00"])
    np.testing.assert_array_equal(found.effects, fitted.effects)
    np.testing.assert_array_equal(found.low, fitted.low)


def test_rows_in_any_order_give_the_same_predictions(screen, alone):
    singles, doubles, names, labels = parts(screen, alone, 20)
    told = gpjepa.compose.fit(singles, doubles, names, labels).predict(["G00+G13", "G02+G05"])
    rng = np.random.default_rng(0)
    one, two = rng.permutation(len(names)), rng.permutation(len(labels))
    turned = gpjepa.compose.fit(
        singles[one], doubles[two], [names[row] for row in one], [labels[row] for row in two]
    ).predict(["G00+G13", "G02+G05"])
    np.testing.assert_allclose(turned.effects, told.effects, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(turned.interaction, told.interaction, rtol=1e-2, atol=1e-3)


def test_bad_tables_are_refused(screen, alone):
    singles, doubles, names, labels = parts(screen, alone, 9)
    with pytest.raises(DataError, match="double_effects have shape"):
        gpjepa.compose.fit(singles, doubles[:3], names, labels)
    with pytest.raises(DataError, match="differ in their columns"):
        gpjepa.compose.fit(singles, doubles[:, :5], names, labels)
    with pytest.raises(DataError, match="NaN"):
        gpjepa.compose.fit(singles * np.nan, doubles, names, labels)
    with pytest.raises(DataError, match="repeat"):
        gpjepa.compose.fit(singles, doubles, names, [labels[0]] * 9)
    with pytest.raises(DataError, match="no single"):
        gpjepa.compose.fit(np.zeros((0, 12)), doubles, [], labels)
    with pytest.raises(DataError, match="no effects"):
        gpjepa.compose.fit(np.zeros((0, 12)), np.zeros((0, 12)), [], [])
    with pytest.raises(VocabularyError, match="control"):
        gpjepa.compose.fit(singles, doubles, [*names[:-1], "ctrl"], labels)
    with pytest.raises(VocabularyError, match="twice"):
        gpjepa.compose.fit(singles, doubles, names, ["G00+G00", *labels[1:]])


@pytest.mark.parametrize("joined", ["{}-{}", "{}:{}", "{} {}", "{}_X{}"])
def test_a_double_that_reads_as_one_perturbation_is_refused(screen, alone, joined):
    singles, doubles, names, labels = parts(screen, alone, 9)
    written = [joined.format(*label.split("+")) for label in labels]
    with pytest.raises(VocabularyError, match="of a double names one perturbation.*write 'A\\+B'"):
        gpjepa.compose.fit(singles, doubles, names, written)


def test_a_single_among_the_doubles_with_the_control_named_is_a_single(screen, alone):
    singles, doubles, names, labels = parts(screen, alone, 9)
    together = np.concatenate((doubles, singles[:3]))
    written = [*labels, *(f"{name}+ctrl" for name in names[:3])]
    composer = gpjepa.compose.fit(singles[3:], together, names[3:], written)
    assert composer.alone.names == (*names[3:], *names[:3])


def test_missing_labels_are_refused_and_numbers_are_names(screen, alone):
    singles, doubles, names, labels = parts(screen, alone, 0)
    for missing in (None, np.nan):
        with pytest.raises(VocabularyError, match="missing label"):
            gpjepa.compose.fit(singles, doubles, [missing, *names[1:]], labels)
    composer = gpjepa.compose.fit(singles, doubles, list(np.arange(14)), labels)
    assert composer.predict(["3+11"]).labels == ("11+3",)


def test_sparse_effects_are_read_and_text_and_nothing_but_0_are_refused(screen, alone, fitted):
    singles, doubles, names, labels = parts(screen, alone, 12)
    sparse = gpjepa.compose.fit(csr_matrix(singles), doubles, names, labels)
    np.testing.assert_array_equal(sparse.predict(["G00+G13"]).effects, fitted.effects)
    with pytest.raises(DataError, match="single_effects are not numbers"):
        gpjepa.compose.fit(np.full(singles.shape, "x"), doubles, names, labels)
    with pytest.raises(DataError, match=r"all effects are 0 \(26 labels, 12 genes\)"):
        gpjepa.compose.fit(singles * 0, doubles * 0, names, labels)
    with pytest.raises(DataError, match="all effects are 0 .* 0 genes"):
        gpjepa.compose.fit(singles[:, :0], doubles[:, :0], names, labels)


def test_features_are_checked_like_those_of_the_model(screen, alone):
    given = parts(screen, alone, 0)
    with pytest.raises(DataError, match="column 'kind' with text"):
        gpjepa.compose.fit(*given, features=pd.DataFrame({"kind": ["a"] * 14}, alone.names))
    with pytest.raises(ConfigError, match="features are a ndarray"):
        gpjepa.compose.fit(*given, features=np.ones((14, 2)))

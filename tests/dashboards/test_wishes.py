"""What a page wishes is read field by field, and nonsense leaves what was there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.pictures.wishes import LASSO_CORNERS, TEXT_LIMIT, Contrast, Ring, Wishes, wishes_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


def test_everything_that_can_be_wished_arrives() -> None:
    wished = {
        "map": "sum", "frozen": True, "back": 3, "pinned": [4, 5], "linear": True, "arrows": True,
        "average": "mean_8", "restarts": 2,
        "latents": ["latent_2", "latent_3"], "contrast": {"magnitude": {"mode": "locked", "low": -1, "high": 2.5}},
        "histogram": "pattern", "enlarged": "rotation", "lasso": [[0, 1], [1, 1], [0.5, 2]],
        "ring": {"inner": 0, "outer": 9.5, "center_ky": 31.5, "center_kx": 30},
    }  # fmt: skip
    wishes = wishes_of(json.dumps(wished), Wishes())
    assert wishes.pinned == (4, 5) and wishes.back == 3 and wishes.frozen and wishes.linear and wishes.arrows
    assert (wishes.average, wishes.restarts) == ("mean_8", 2)
    assert wishes.contrast == {"magnitude": Contrast("locked", -1.0, 2.5)}
    assert wishes.ring == Ring(0.0, 9.5, 31.5, 30.0)
    assert wishes.lasso == ((0.0, 1.0), (1.0, 1.0), (0.5, 2.0))
    assert (wishes.map, wishes.latents, wishes.histogram) == ("sum", ("latent_2", "latent_3"), "pattern")
    assert wishes_of('{"pinned": null, "ring": null, "lasso": []}', wishes).pinned is None


@pytest.mark.parametrize(
    "wished",
    [
        {"contrast": {"magnitude": {"mode": "locked", "low": 2, "high": 1}}},
        {"contrast": {"magnitude": {"mode": "locked", "low": -1e308, "high": 1e308}}},
        {"contrast": {"pattern": {"mode": "percentiles", "low": 1, "high": 101}}},
        {"ring": {"inner": 5, "outer": 5, "center_ky": 0, "center_kx": 0}},
        {"ring": {"inner": 1, "outer": 2, "center_ky": 0}},
        {"lasso": [[0, 0]] * (LASSO_CORNERS + 1)},
        {"lasso": [[0, 0, 0]]},
        {"pinned": [1.5, 2]},
        {"pinned": [-1, 2]},
        {"back": True},
        {"histogram": "latents"},
        {"enlarged": "<b>"},
    ],
)
def test_a_wish_that_makes_no_sense_is_left_out_and_others_are_not(wished: dict[str, Any]) -> None:
    before = wishes_of('{"pinned": [1, 2], "back": 1, "enlarged": "pattern"}', Wishes())
    after = wishes_of(json.dumps({**wished, "map": "sum"}), before)
    assert after.map == "sum"
    assert all(getattr(after, name) == getattr(before, name) for name in wished)


@given(st.dictionaries(st.sampled_from([*Wishes.__slots__]), JSON))
def test_no_wish_raises(wished: dict[str, Any]) -> None:
    assert isinstance(wishes_of(json.dumps(wished), Wishes()), Wishes)


def test_what_is_no_json_or_too_long_changes_nothing() -> None:
    before = Wishes(map="sum")
    for text in (None, 7, "", "[", "[1]", '{"map": "' + "x" * TEXT_LIMIT + '"}'):
        assert wishes_of(text, before) is before

"""The notice about packages with word lists that are not installed."""

import importlib.util

import pytest

from masksearch.ramp.checks.word_lists import missing_lists
from masksearch.ramp.settings import MaskSettings


@pytest.fixture
def without(monkeypatch):
    real = importlib.util.find_spec

    def hide(*names):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in names else real(name))

    return hide


def test_nothing_is_said_where_nothing_is_missing():
    assert missing_lists(MaskSettings()) == ""


def test_each_missing_package_is_named_with_what_it_changes(without):
    without("countryinfo", "wordfreq")
    assert missing_lists(MaskSettings()) == (
        "countryinfo and wordfreq are not installed, so the masks do without: names of countries and "
        "peoples, terms where there are few names. Install them with: pip install 'masksearch[terms]'"
    )
    without("num2words")
    assert missing_lists(MaskSettings()).startswith("num2words is not installed")


def test_only_what_the_settings_use_is_wanted(without):
    without("countryinfo", "babel", "num2words", "wordfreq")
    assert missing_lists(MaskSettings(verify=("unique",), terms_where_few=0)) == ""
    assert missing_lists(MaskSettings(language="zh", extractors=("dates",))) == ""
    assert missing_lists(MaskSettings(hops="2-4", form="question")) == ""

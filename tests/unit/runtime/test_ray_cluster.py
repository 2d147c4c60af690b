"""The Ray cluster of a run, without a cluster: the availability check."""

import sys

import pytest

from masksearch.errors import MissingExtraError
from masksearch.runtime.ray_cluster import import_ray, ray_cluster


@pytest.mark.parametrize("module", ["ray", "ray.data"])
def test_a_missing_package_is_named_with_its_extra(module, monkeypatch):
    for name in [name for name in sys.modules if name == module or name.startswith(f"{module}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"masksearch\[ray\]"):
        import_ray()
    with pytest.raises(MissingExtraError), ray_cluster(2):
        pass

"""Documents of one title, such as the pages of a manual: both sides of the split get tasks and stay apart."""

import json

import pytest

from masksearch.errors import DataError
from masksearch.evaluation.run import check_not_trained_on
from masksearch.ramp.run.stage import run_mask
from masksearch.ramp.settings import MaskSettings
from masksearch.runtime.records import read_tasks
from masksearch.search.index.storage import common_titles
from masksearch.search.settings import IndexSettings
from masksearch.search.stage import build_index


@pytest.fixture(params=["Synopsis", "", "Untitled"])
def manual(request, tmp_path):
    first = ("sort", "join", "paste", "split", "merge", "print", "count", "trace")
    rows = [
        {
            "id": f"guide/{number}/index.md",
            "title": request.param,
            "text": f"The {first[number % 8]}-{first[number // 8]} command was first released in "
            f"{1950 + number}. Its authors never said how many people have used it since then.",
        }
        for number in range(60)
    ]
    path = tmp_path / "manual.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    build_index(IndexSettings(corpus=str(path)), tmp_path / "index", tmp_path / "work")
    return tmp_path


def masked(folder, split, **changes):
    output = folder / f"{split}.jsonl"
    settings = MaskSettings(
        index=str(folder / "index"), split=split, masks="1", extractors=("dates",), verify=("none",),
        near_duplicates=0, **changes,
    )  # fmt: skip
    run_mask(settings, output, folder / f"work-{split}")
    return read_tasks(str(output))


def test_a_manual_of_one_title_is_divided_and_kept_apart(manual):
    common = common_titles(manual / "index")
    heldout = masked(manual, "heldout")
    train = masked(manual, "train", exclude=(str(manual / "heldout.jsonl"),))
    assert 4 <= len(heldout) <= 24
    assert len(train) >= 30
    assert not {task.doc_id for task in heldout} & {task.doc_id for task in train}
    check_not_trained_on(heldout, [str(manual / "train.jsonl")], common)
    with pytest.raises(DataError, match="are about articles that the training"):
        check_not_trained_on(heldout, [str(manual / "heldout.jsonl")], common)

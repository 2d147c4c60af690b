"""Passages of texts without spaces have a bound too."""

import pytest

from masksearch.corpus import cut
from masksearch.types import Document


@pytest.mark.parametrize(
    ("text", "longest"),
    [
        ("ประเทศไทยมีเมืองหลวงคือกรุงเทพมหานคร" * 60, 2 * 60 * 8),
        ("ភាសាខ្មែរជាភាសាផ្លូវការរបស់កម្ពុជា" * 60, 2 * 60 * 8),
        ("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo0" * 400, 2 * 60 * 40),
        ("中文没有空格" * 200, 2 * 60),
        ("दिल्ली भारत की राजधानी है। " * 60, 2 * 60 * 12),
    ],
)
def test_a_passage_has_a_bound_in_every_script(text, longest):
    document = Document(id="d", title="T", text=text)
    passages = cut(document, 60)
    assert len(passages) > 1
    assert max(len(passage.text) for passage in passages) <= longest
    assert "".join(passage.text for passage in passages).replace(" ", "") == text.replace(" ", "")


def test_no_passage_begins_with_a_mark_of_the_letter_before():
    text = "น้ำที่นี่" * 120
    starts = {passage.text[0] for passage in cut(Document(id="d", title="T", text=text), 20)}
    assert not starts & set("\u0e31\u0e34\u0e35\u0e36\u0e37\u0e38\u0e39\u0e48\u0e49")

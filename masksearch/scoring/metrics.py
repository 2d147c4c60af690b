"""The only implementation of the metrics; rewards, evaluation and trajectory filters all use it (the paper's
section on evaluation).

Normalisation and token overlap are HotpotQA's, so our scores can be compared with published ones. We depart
from the published script only if both sides normalise to the empty string (see `score_answer`). Spanish,
French and Chinese tasks have their own normalisers, like those of MLQA and CMRC. Text without a language is
treated as English. `scoring.fills` parses a model's text into fills of masks.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Sequence

from masksearch.scoring.fills import Fill, task_fills
from masksearch.text.sentences import UNSPACED
from masksearch.types import MaskedTask, Question, Score

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_OTHER_ARTICLES = {
    "es": re.compile(r"\b(?:el|la|los|las|un|una|unos|unas)\b"),
    "fr": re.compile(r"\b(?:le|la|les|un|une|des)\b"),
}
_ELISION = re.compile(r"\b[ld]['’](?=\w)")
_CHINESE_TOKEN = re.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")
CLOSED_ANSWERS = frozenset({"yes", "no", "noanswer"})
ZERO = Score(recall=0.0, precision=0.0, f1=0.0, em=0.0)
ONE = Score(recall=1.0, precision=1.0, f1=1.0, em=1.0)


class _Punctuation(dict[int, int | None]):
    """A table for str.translate that deletes Unicode punctuation and ASCII signs. An entry is added when
    its character first occurs."""

    def __missing__(self, code: int) -> int | None:
        character = chr(code)
        is_mark = unicodedata.category(character).startswith("P") or character in string.punctuation
        self[code] = None if is_mark else code
        return self[code]


_ANY_PUNCTUATION = _Punctuation()


def normalise(text: str, language: str = "") -> str:
    """Normalises a text as HotpotQA does.

    Lower-cases, deletes ASCII punctuation, replaces a/an/the by a space, and collapses white space.

    Spanish, French and Chinese lose all Unicode punctuation, and Spanish and French their own articles
    ("l'" and "d'" included). Chinese text becomes half width, with a space between characters: each
    character is a token.
    """
    if language == "zh":
        bare = unicodedata.normalize("NFKC", text).lower().translate(_ANY_PUNCTUATION)
        return " ".join(_CHINESE_TOKEN.findall(bare))
    if language in _OTHER_ARTICLES:
        lower = _ELISION.sub(" ", text.lower()) if language == "fr" else text.lower()
        return " ".join(_OTHER_ARTICLES[language].sub(" ", lower.translate(_ANY_PUNCTUATION)).split())
    bare = text.lower().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def score_answer(prediction: str, golds: Sequence[str], language: str = "") -> Score:
    """Scores one answer against equally acceptable golds; each measure is a separate maximum over the golds.

    With m = size of the multiset intersection of the normalised tokens: recall = m / gold tokens,
    precision = m / predicted tokens, F1 = their harmonic mean, EM = equality of the normalised strings.
    All are 0 if either side is yes/no/noanswer and the two differ. If both sides normalise to the empty
    string (a gold of "The" or "!"), their lower-cased raw texts are compared, with white space collapsed.
    An empty prediction never scores. Raises ValueError without golds.
    """
    golds = (golds,) if isinstance(golds, str) else golds
    if not golds:
        raise ValueError("an answer cannot be scored without a gold answer")
    scores = [_score_pair(prediction, gold, language) for gold in golds]
    return Score(
        recall=max(score.recall for score in scores),
        precision=max(score.precision for score in scores),
        f1=max(score.f1 for score in scores),
        em=max(score.em for score in scores),
    )


def _score_pair(prediction: str, gold: str, language: str) -> Score:
    predicted, wanted = normalise(prediction, language), normalise(gold, language)
    if not predicted and not wanted:
        raw = " ".join(prediction.lower().split())
        return ONE if raw and raw == " ".join(gold.lower().split()) else ZERO
    if predicted == wanted:
        return ONE
    if predicted in CLOSED_ANSWERS or wanted in CLOSED_ANSWERS:
        return ZERO
    predicted_tokens, wanted_tokens = predicted.split(), wanted.split()
    shared = (Counter(predicted_tokens) & Counter(wanted_tokens)).total()
    if not shared:
        return ZERO
    recall, precision = shared / len(wanted_tokens), shared / len(predicted_tokens)
    return Score(recall=recall, precision=precision, f1=2 * recall * precision / (recall + precision), em=0.0)


def mean_score(scores: Sequence[Score]) -> Score:
    """Returns the mean of each measure. Raises ValueError without scores."""
    if not scores:
        raise ValueError("there are no scores to average")
    count = len(scores)
    return Score(
        recall=sum(score.recall for score in scores) / count,
        precision=sum(score.precision for score in scores) / count,
        f1=sum(score.f1 for score in scores) / count,
        em=sum(score.em for score in scores) / count,
    )


def fill_scores(fills: Sequence[Fill]) -> list[Score]:
    """Returns the score of each fill against its golds, in order. An empty fill scores 0."""
    return [score_answer(fill.text, fill.golds, fill.language) for fill in fills]


def score_task(prediction: str, task: MaskedTask | Question, answer_form: str) -> Score:
    """Scores a final answer to any task: the mean over the masks of a RAMP task; copied text is not scored.

    `answer_form` ("spans" or "paragraph") matters for RAMP tasks only; raises ValueError for an unknown form.
    """
    return mean_score(fill_scores(task_fills(prediction, task, answer_form)))


def covers(prediction: str, golds: Sequence[str], language: str = "") -> bool:
    """Cover-EM: whether the prediction contains all tokens of one of the golds in sequence, after
    normalisation.

    The golds yes, no and noanswer must be the whole prediction. An exact match always covers its gold, also
    one that normalises to the empty string.
    """
    predicted = normalise(prediction, language)
    for gold in golds:
        wanted = normalise(gold, language)
        if wanted in CLOSED_ANSWERS or predicted in CLOSED_ANSWERS or not wanted:
            covered = _score_pair(prediction, gold, language).em == 1
        else:
            covered = f" {wanted} " in f" {predicted} "
        if covered:
            return True
    return False


def contains(prediction: str, golds: Sequence[str], language: str = "") -> bool:
    """Sub-EM as Search-R1 and FlashRAG define it: whether one of the normalised golds is a substring of the
    normalised prediction.

    Words need not be whole: "no" is in "nothing", and "1945" in "19450". A gold that normalises to the empty
    string is in every prediction. An empty prediction counts as no answer and contains nothing.
    """
    predicted = normalise(prediction, language)
    return bool(prediction.strip()) and any(normalise(gold, language) in predicted for gold in golds)


def covers_task(prediction: str, task: MaskedTask | Question, answer_form: str) -> bool:
    """Cover-EM of a final answer to any task; in a RAMP task every fill must cover the gold of its mask."""
    return all(
        covers(fill.text, fill.golds, fill.language) for fill in task_fills(prediction, task, answer_form)
    )


def answer_tokens(prediction: str, task: MaskedTask | Question, answer_form: str) -> int:
    """Counts the normalised tokens of the scored part of a final answer."""
    return sum(
        len(normalise(fill.text, fill.language).split()) for fill in task_fills(prediction, task, answer_form)
    )


def free_recall(text: str, task: MaskedTask | Question) -> float:
    """Returns the token recall of the golds anywhere in a model's free output, in [0, 1].

    For a RAMP task this is the mean over the masks, for a question the maximum over the golds. The output
    needs no answer format. So for a model that never writes an answer tag, this measure shows whether the
    model lacks the knowledge or only the format. Masks are matched independently: two masks may be found in
    the same words.
    """
    language = task.language if isinstance(task, MaskedTask) else ""
    written = Counter(normalise(text, language).split())
    recalls = [_token_recall(written, normalise(gold, language)) for gold in task.answers]
    return max(recalls) if isinstance(task, Question) else sum(recalls) / len(recalls)


def _token_recall(written: Counter[str], gold: str) -> float:
    wanted = Counter(gold.split())
    return (written & wanted).total() / wanted.total() if wanted else 0.0

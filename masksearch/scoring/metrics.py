"""The one metric implementation: rewards, evaluation and trajectory filters all call it (the paper's section on evaluation).

Normalisation and token overlap are HotpotQA's, so that figures compare with published ones. It differs from the
published script at one point only: where both sides normalise to nothing, see `score_answer`. Tasks in Spanish, French and
Chinese have normalisers that do the same for their language (as MLQA's and CMRC's do); text of no named language is English.
How a model's text is read as fills of masks is in `scoring.fills`.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Sequence

from masksearch.scoring.fills import paragraph_fills, parse_fills
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
    """For str.translate: deletes Unicode's punctuation, in whatever width, and ASCII's signs."""

    def __missing__(self, code: int) -> int | None:
        self[code] = (
            None
            if unicodedata.category(chr(code)).startswith("P") or chr(code) in string.punctuation
            else code
        )
        return self[code]


_ANY_PUNCTUATION = _Punctuation()


def normalise(text: str, language: str = "") -> str:
    """HotpotQA's normaliser: lower-case, delete ASCII punctuation, replace a/an/the by a space, collapse white space.

    Spanish, French and Chinese lose all punctuation that Unicode knows, and their own articles ("l'", "d'" among them). Chinese is put in
    half width, with a space between any two characters: each is a token.
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
    """Agreement of one answer with equally acceptable golds; each measure is the maximum over the golds by itself.

    With m = size of the multiset intersection of the normalised tokens: recall = m / gold tokens, precision =
    m / predicted tokens, F1 = their harmonic mean, EM = equality of the normalised strings. All are 0 where
    either side is yes/no/noanswer and the two differ. Where a gold normalises to nothing ("The", "!"), it is
    compared as it stands, lower-cased and with white space collapsed, and an empty prediction never scores.
    Raises ValueError without golds.
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
    said, wanted = normalise(prediction, language), normalise(gold, language)
    if not said and not wanted:
        raw = " ".join(prediction.lower().split())
        return ONE if raw and raw == " ".join(gold.lower().split()) else ZERO
    if said == wanted:
        return ONE
    if said in CLOSED_ANSWERS or wanted in CLOSED_ANSWERS:
        return ZERO
    said_tokens, wanted_tokens = said.split(), wanted.split()
    shared = (Counter(said_tokens) & Counter(wanted_tokens)).total()
    if not shared:
        return ZERO
    recall, precision = shared / len(wanted_tokens), shared / len(said_tokens)
    return Score(recall=recall, precision=precision, f1=2 * recall * precision / (recall + precision), em=0.0)


def mean_score(scores: Sequence[Score]) -> Score:
    """The mean of each measure. Raises ValueError without scores."""
    if not scores:
        raise ValueError("there are no scores to average")
    count = len(scores)
    return Score(
        recall=sum(score.recall for score in scores) / count,
        precision=sum(score.precision for score in scores) / count,
        f1=sum(score.f1 for score in scores) / count,
        em=sum(score.em for score in scores) / count,
    )


def mask_scores(prediction: str, task: MaskedTask, answer_form: str) -> list[Score]:
    """One score a mask, in text order. A mask that was not filled scores 0. Raises ValueError for an unknown form."""
    if answer_form == "spans":
        fills = parse_fills(prediction, task.masks)
    elif answer_form == "paragraph":
        fills = paragraph_fills(prediction, task)
    else:
        raise ValueError(f"there is no answer form '{answer_form}'; the forms are spans and paragraph")
    return [
        score_answer(fill, (gold,), task.language) for fill, gold in zip(fills, task.answers, strict=True)
    ]


def score_fills(prediction: str, answers: Sequence[str], language: str = "") -> Score:
    """Numbered fills against one gold a mask: the mean over the masks, a missing fill counting 0."""
    fills = parse_fills(prediction, len(answers))
    return mean_score(
        [score_answer(fill, (gold,), language) for fill, gold in zip(fills, answers, strict=True)]
    )


def score_paragraph(prediction: str, task: MaskedTask) -> Score:
    """A whole paragraph with the masks filled: only the fills are scored, never the copied text; the mean over the masks."""
    return mean_score(mask_scores(prediction, task, "paragraph"))


def score_task(prediction: str, task: MaskedTask | Question, answer_form: str) -> Score:
    """The score of a final answer to any task; `answer_form` ("spans" or "paragraph") matters for RAMP tasks only."""
    if isinstance(task, Question):
        return score_answer(prediction, task.answers)
    return mean_score(mask_scores(prediction, task, answer_form))


def covers(prediction: str, golds: Sequence[str], language: str = "") -> bool:
    """Cover-EM: whether all tokens of some gold stand in the prediction, normalised and one after the other. Yes and no must be the whole prediction."""
    said = normalise(prediction, language)
    wanted = [normalise(gold, language) for gold in golds]
    return any(
        gold == said
        if gold in CLOSED_ANSWERS or said in CLOSED_ANSWERS
        else gold != "" and f" {gold} " in f" {said} "
        for gold in wanted
    )


def task_fills(
    prediction: str, task: MaskedTask | Question, answer_form: str
) -> list[tuple[str, tuple[str, ...], str]]:
    """What is scored of a final answer: (text, its golds, language), one a mask; the whole answer of a question."""
    if isinstance(task, Question):
        return [(prediction, task.answers, "")]
    fills = (
        parse_fills(prediction, task.masks) if answer_form == "spans" else paragraph_fills(prediction, task)
    )
    return [(fill, (gold,), task.language) for fill, gold in zip(fills, task.answers, strict=True)]


def covers_task(prediction: str, task: MaskedTask | Question, answer_form: str) -> bool:
    """Cover-EM of a final answer to any task; of a RAMP task every mask must be covered by its own fill."""
    return all(
        covers(fill, golds, language) for fill, golds, language in task_fills(prediction, task, answer_form)
    )


def answer_tokens(prediction: str, task: MaskedTask | Question, answer_form: str) -> int:
    """Normalised tokens of what is scored of a final answer."""
    return sum(
        len(normalise(fill, language).split())
        for fill, _, language in task_fills(prediction, task, answer_form)
    )


def free_recall(text: str, task: MaskedTask | Question) -> float:
    """Token recall of the golds anywhere in a model's free output, in [0, 1]; the mean over masks, the maximum over golds of a question.

    Needs no format at all: shown beside a model that never writes an answer tag, to tell missing format from missing knowledge.
    Each mask is looked for on its own, so two masks may be found in the same words.
    """
    language = task.language if isinstance(task, MaskedTask) else ""
    said = Counter(normalise(text, language).split())
    recalls = [_token_recall(said, normalise(gold, language)) for gold in task.answers]
    return max(recalls) if isinstance(task, Question) else sum(recalls) / len(recalls)


def _token_recall(said: Counter[str], gold: str) -> float:
    wanted = Counter(gold.split())
    return (said & wanted).total() / wanted.total() if wanted else 0.0

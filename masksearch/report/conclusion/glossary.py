"""The terms of a run's conclusion and of the report's tables, each in a line."""

from __future__ import annotations

from masksearch.evaluation.rules import RIGHT_ABOVE

GLOSSARY = (
    ("RAMP", "retrieval-augmented masked prediction: fill the masked facts of a text by searching"),
    ("mask", "a fact that is cut out of a text: a name, a date, a number, a rare term"),
    ("agent", "thinks, searches, reads the results, again and again, and answers; the prompt of training"),
    ("agent-prompted", "the same loop, with the protocol and an example in the prompt; needs no training"),
    ("rag", "one search with the words of the question, then the answer"),
    ("closed-book", "the answer from memory, without a search"),
    ("right", f"F1 above {100 * RIGHT_ABOVE:.0f}% in every mask, or the verdict where all were judged"),
    ("F1", "overlap of the answer's words with the gold answer's: 100% is equal words"),
    ("EM", "exact match: the share of answers that equal the gold answer, after normalising"),
    ("recall", "share of the gold answer's words that are in the answer"),
    ("valid", "share of answers in the asked form, in every turn"),
    ("evidence", "share of a question's gold passages that the searches returned"),
    ("grounded", "share of answers that stand in the shown results, or are inferred from them (yes/no, ...)"),
    ("false quotes", "share of the quotes in the thoughts that do not stand in the result that they name"),
    ("interval", "95%: over the questions; with several seeds, over seeds x questions"),
    ("seed", "one training run; a result of one seed does not show the variance between seeds"),
    ("p", "paired test by question (several seeds: t test over both), corrected for all tests (Holm)"),
    ("SFT, DAPO", "supervised fine-tuning on trajectories; then reinforcement learning with live searches"),
)
"""(term, meaning), in the order of reading."""

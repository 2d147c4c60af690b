"""Suites by name: HotpotQA, 2WikiMultiHopQA, MuSiQue, Bamboogle, FanOutQA, FreshQA, FRAMES, read as their authors publish them."""

from masksearch.evaluation.suites.export import Exported, write_suite
from masksearch.evaluation.suites.loading import load_questions
from masksearch.evaluation.suites.registry import SUITES, Suite, find_suite

__all__ = ["SUITES", "Exported", "Suite", "find_suite", "load_questions", "write_suite"]

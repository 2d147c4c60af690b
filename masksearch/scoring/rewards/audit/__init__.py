"""An audit of rewards: scripted attacks (`attacks`), rolled out through the agent loop and scored as in
training (`run`), and the results as a table (`table`)."""

from masksearch.scoring.rewards.audit.attacks import ATTACKS, HONEST, UNGROUNDED, Case, make_cases
from masksearch.scoring.rewards.audit.run import Audit, audit, named_reward, reward_names
from masksearch.scoring.rewards.audit.table import audit_table

__all__ = [
    "ATTACKS",
    "HONEST",
    "UNGROUNDED",
    "Audit",
    "Case",
    "audit",
    "audit_table",
    "make_cases",
    "named_reward",
    "reward_names",
]

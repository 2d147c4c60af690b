"""The teacher `agents`: planner, rewriter, observer and judge, models behind endpoints, whose work becomes a trajectory of one agent (arXiv 2505.20285)."""

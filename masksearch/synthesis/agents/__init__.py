"""The teacher `agents`: models plan, search, observe and judge as a team (arXiv 2505.20285).

The work of the team on a task is rewritten as the trajectory of a single agent.
"""

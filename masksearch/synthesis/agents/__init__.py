"""The teacher `agents`: models plan, search, observe and judge as a team (arXiv 2505.20285).

The work of the team becomes the trajectory of one agent.
"""

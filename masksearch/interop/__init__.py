"""Connections to other frameworks: exports for trainers, tasks for Inspect, an agent loop for verl.

No other package imports this one, except the command line.
"""

"""Runs our agent loop, search and reward inside verl.

loop.py is an agent loop for verl, sessions.py talks to verl's servers, and config.py writes a
configuration for DAPO. The code is written for verl 0.9, which pins an older transformers than the extra
`train` and therefore needs a separate environment: pip install 'masksearch[verl]'. Only loop.py imports
verl.
"""

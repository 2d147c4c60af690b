"""verl: our agent loop, reward and search as one of its agent loops (loop.py, over its servers: sessions.py), and a configuration for DAPO (config.py).

Written for verl 0.9, which pins an older transformers than the extra `train`, so it wants an environment of its own: pip install 'masksearch[verl]'.
Only loop.py imports verl.
"""

"""The preflight: checks what the stages still to run will need, before anything is computed.

Each room declares the needs of its settings in its module `needs.py`; a kind of stage names that function.
`collect` gathers the needs of the stages still to run, `check` turns them into findings, all at once.
"""

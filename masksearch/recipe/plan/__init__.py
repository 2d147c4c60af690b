"""What a run would do and why: differences from earlier work, replaced work that is kept, choice of stages,
expected times."""

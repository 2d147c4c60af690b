"""Files, records, locks, resume marks, progress, processes and optional packages, for every room."""

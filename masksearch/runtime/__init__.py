"""Files, records, locks, progress, processes and optional packages: what every room needs from the machine."""

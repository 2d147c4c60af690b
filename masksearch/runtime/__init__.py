"""What every room (subpackage) needs: files, records, locks, resume marks, progress, processes, optional
packages."""

"""The scripted (oracle) teacher: it knows the gold answers but must find the evidence by searching."""

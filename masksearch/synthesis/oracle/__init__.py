"""The scripted (oracle) teacher: a policy that knows the gold answers but must find the evidence."""

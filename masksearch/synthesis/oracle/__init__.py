"""The scripted (oracle) teacher."""

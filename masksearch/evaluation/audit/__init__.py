"""Audits questions before anything is trained or measured (`masksearch audit`)."""

"""Reads MediaWiki XML dumps: pages as plain text with their links."""

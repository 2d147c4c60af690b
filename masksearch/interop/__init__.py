"""Our suites inside other people's evaluation frameworks. Nothing here is imported by the rest of the package."""

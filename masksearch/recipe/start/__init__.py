"""`masksearch init`: looks at documents, says what it found, and writes a recipe for them."""

"""English wording of facts: questions, statements with a mask, descriptions, and what a step needs."""

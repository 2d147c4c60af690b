"""Chained tasks: facts of a corpus, joined by bridge entities, as questions or masked statements.

    passages -> reading/ facts -> book/ articles and names -> shapes/ drafts -> run/ checks and tasks

A fact relates the subject of an article to a value in its text ("Heat": directed by "Michael Mann"). The
shapes join facts of several articles; `wording/` writes them in English.
"""

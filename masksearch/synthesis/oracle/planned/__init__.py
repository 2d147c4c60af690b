"""The planned version of the scripted teacher: it plans, searches one thing at a time, quotes, and concludes.

    I need the director of the film Heat first, then the date of birth.
    The director of the film Heat? [1]: "film directed by Michael Mann. It". So the director of the film Heat
    is Michael Mann. Next I need the date of birth of Michael Mann.
    The date of birth of Michael Mann? [2]: "(born February 5, 1943) is". So the date of birth of Michael Mann
    is February 5, 1943. The question asks for a date of birth: February 5, 1943.

What is needed stands right before each quote. Quotes are short, since small models must copy them. Every
query names a subject that is known by then.
"""

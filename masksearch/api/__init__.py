"""The Python interface: the stages as functions, their products as objects.

    from masksearch import Corpus, Index, ask, evaluate, mask, sft, synthesize

    corpus = Corpus([{"title": "Radium", "text": "Radium was discovered in 1898 by Marie Curie."}, ...])
    index = Index.build(corpus)
    tasks = mask(corpus, index=index, limit=200)
    model = sft("HuggingFaceTB/SmolLM2-135M-Instruct", synthesize(tasks, index))
    ask(index, "Who discovered radium?", model=model).answer

`import masksearch` gives all names; each is imported when it is first used. A function takes the settings of
its stage as keyword arguments (docs/settings.md). Its product has a path, so that commands and recipes can
use it. It works inside a running event loop. The modules are

    products    what the functions return
    index       Index: built, opened, searched
    records     lists of dicts as files, files as data frames
    workspace   the folder of the products, and the stage in it that a call runs or has run before
    signature   signatures and help texts from the settings
    stages      mask, synthesize, sft, rl, evaluate, compare, ...
    asking      ask, open_agent
"""

"""A search for other programs: over HTTP, as Search-R1's retrieval server answers, and over the Model Context Protocol.

    masksearch serve index/           POST /retrieve, POST /open, GET /health, GET /metrics, GET /docs
    masksearch serve index/ --mcp     the tools `search` and `open` on standard input and output

A request's way: guard.py (uvicorn's protocol, with an end to requests that do not end) -> app.py (routes) -> body.py (a bounded body) -> wire.py (what
it asks for) -> search/batching.py (together with the others') -> wire.py (the answer).
"""

"""Serves a search to other programs: over HTTP with Search-R1's protocol, or over the Model Context Protocol.

    masksearch serve index/           POST /retrieve, POST /open, GET /health, GET /metrics, GET /docs
    masksearch serve index/ --mcp     the tools `search` and `open` on standard input and output

The path of a request:

    guard.py             uvicorn's protocol, with limits for slow and endless requests
    app.py               routes
    body.py              reads a body of limited size
    wire.py              parses the request
    search/batching.py   searches for the queries of all waiting requests together
    wire.py              writes the answer
"""

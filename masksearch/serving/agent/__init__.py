"""The agent as a service: questions over OpenAI's protocol, on the page, and as an MCP tool.

    host.py         the model in a thread, with slots, a queue and a time limit
    steps.py        events of an episode as the steps that clients see
    answers.py      the service: one question in, its steps while they happen, its record at the end
    kept.py         the last records, for links
    stream.py       answers that are sent while they happen, and clients that go away
    openai_wire.py  formats of OpenAI's protocol
    routes.py       the routes

An episode runs in the host's thread, so that a forward pass of the model delays no other request.
"""

"""Answers from the documentation of web search providers: with results, without results, and errors."""

from __future__ import annotations

from typing import Any

HTML = "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"

SERPER = {
    "searchParameters": {"q": "radium", "type": "search", "num": 3, "engine": "google"},
    "organic": [
        {
            "title": "Radium - Wikipedia",
            "link": "https://en.wikipedia.org/wiki/Radium",
            "snippet": "Radium is a chemical element; Ra &amp; 88.",
            "position": 1,
        },
        {
            "title": "Who discovered it?",
            "link": "https://example.org/who",
            "snippet": "Marie &#39;Maria&#39; Curie, where a < b.",
            "date": "2 Jan",
            "position": 2,
        },
    ],
    "peopleAlsoAsk": [],
    "credits": 1,
}
SERPAPI = {
    "search_metadata": {"id": "65", "status": "Success", "total_time_taken": 1.1},
    "search_parameters": {"engine": "google", "q": "radium"},
    "search_information": {"organic_results_state": "Results for exact spelling", "total_results": 2},
    "organic_results": [
        {
            "position": 1,
            "title": "Radium - Wikipedia",
            "link": "https://en.wikipedia.org/wiki/Radium",
            "snippet": "Radium is a chemical element; Ra & 88.",
        },
        {
            "position": 2,
            "title": "Who discovered it?",
            "link": "https://example.org/who",
            "snippet": "Marie 'Maria' Curie, where a < b.",
        },
    ],
}
BRAVE = {
    "type": "search",
    "query": {"original": "radium", "more_results_available": True},
    "web": {
        "type": "search",
        "results": [
            {
                "title": "Radium - Wikipedia",
                "url": "https://en.wikipedia.org/wiki/Radium",
                "description": "<strong>Radium</strong> is a chemical element; Ra &amp; 88.",
            },
            {
                "title": "Who <b>discovered</b> it?",
                "url": "https://example.org/who",
                "description": "Marie &#x27;Maria&#x27; Curie,<br/>where a &lt; b.",
            },
        ],
    },
}
TAVILY = {
    "query": "radium",
    "answer": None,
    "images": [],
    "results": [
        {
            "title": "Radium - Wikipedia",
            "url": "https://en.wikipedia.org/wiki/Radium",
            "content": "Radium is a chemical element;\nRa & 88.",
            "score": 0.98,
        },
        {
            "title": "Who discovered it?",
            "url": "https://example.org/who",
            "content": "Marie 'Maria' Curie, where a < b.",
            "score": 0.5,
            "raw_content": None,
        },
    ],
    "response_time": 1.09,
}
FOUND: dict[str, Any] = {"serper": SERPER, "serpapi": SERPAPI, "brave": BRAVE, "tavily": TAVILY}

NOTHING: dict[str, Any] = {
    "serper": {"searchParameters": {"q": "zxqv"}, "organic": [], "credits": 1},
    "serpapi": {
        "search_metadata": {"status": "Success"},
        "search_information": {"organic_results_state": "Fully empty"},
        "error": "Google hasn't returned any results for this query.",
    },
    "brave": {
        "type": "search",
        "query": {"original": "zxqv", "more_results_available": False},
        "mixed": {"type": "mixed", "main": []},
    },
    "tavily": {"query": "zxqv", "results": [], "response_time": 0.4},
}


def brave_error(status: int, code: str, detail: str) -> dict[str, Any]:
    return {
        "type": "ErrorResponse",
        "error": {"id": "5d83", "status": status, "code": code, "detail": detail, "meta": {}},
        "time": 1663072993,
    }


REFUSED: dict[str, tuple[int, Any, str]] = {
    "serper": (403, {"message": "Unauthorized.", "statusCode": 403}, "Unauthorized."),
    "serpapi": (
        401,
        {"error": "Invalid API key. Your API key should be here: https://serpapi.com/manage-api-key"},
        "Invalid API key.",
    ),
    "brave": (
        422,
        brave_error(422, "SUBSCRIPTION_TOKEN_INVALID", "The provided subscription token is invalid."),
        "subscription token is invalid",
    ),
    "tavily": (
        401,
        {"detail": {"error": "Unauthorized: missing or invalid API key."}},
        "missing or invalid API key",
    ),
}
"""Answers to a wrong key."""

WRONG: dict[str, tuple[int, Any, str]] = {
    "serper": (400, {"message": "Not enough credits", "statusCode": 400}, "Not enough credits"),
    "serpapi": (400, {"error": "Missing query `q` parameter."}, "Missing query `q` parameter."),
    "brave": (
        422,
        brave_error(422, "VALIDATION", "Unable to validate request parameter(s)"),
        "Unable to validate",
    ),
    "tavily": (
        432,
        {"detail": {"error": "This request exceeds your plan's set usage limit."}},
        "exceeds your plan's set usage limit",
    ),
}
"""Permanent errors, which a retry would meet again."""

LIMITED: dict[str, Any] = {
    "serper": {"message": "Too many requests", "statusCode": 429},
    "serpapi": {"error": "Your account has run out of searches."},
    "brave": brave_error(429, "RATE_LIMITED", "Request rate limit exceeded for plan."),
    "tavily": {"detail": {"error": "Your request has been blocked due to excessive requests."}},
}
"""Bodies of answers with the status 429."""

MISSHAPEN: dict[str, list[Any]] = {
    "serper": [
        {},
        [],
        None,
        7,
        {"organic": None},
        {"organic": {}},
        {"organic": ["x"]},
        {"organic": [{"title": "no link"}]},
        {"organic": [{"link": 1}]},
    ],
    "serpapi": [
        {},
        [],
        {"search_metadata": {"status": "Processing"}},
        {"search_metadata": "Success"},
        {"organic_results": [{"link": "u", "title": 7}]},
    ],
    "brave": [
        {},
        [],
        {"type": "other"},
        {"type": "search", "web": {}},
        {"type": "search", "web": None},
        {"web": {"results": []}},
    ],
    "tavily": [
        {},
        3,
        {"results": None},
        {"results": [{"url": "u", "score": "high"}]},
        {"results": [{"url": "u", "score": True}]},
        '{"results":[{"url":"u","score":NaN}]}',
    ],
}
"""Bodies of undocumented shape, sent with the status 200."""

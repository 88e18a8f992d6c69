"""An app as any other: it reads its environment and knows nothing of envgraft."""

import os

from fastapi import FastAPI

# A name that is missing ends the app here, not in the first request.
DATABASE_URL = os.environ["DATABASE_URL"]
API_KEY = os.environ["API_KEY"]
DEBUG = os.environ["DEBUG"] == "true"
LOG_LEVEL = os.environ["LOG_LEVEL"]
CACHE_TTL = int(os.environ["CACHE_TTL"])

app = FastAPI(debug=DEBUG)


@app.get("/healthz")
def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/config")
def config() -> dict[str, object]:
    """Show what is no secret, and of secrets that they are there."""
    return {
        "debug": DEBUG,
        "logLevel": LOG_LEVEL,
        "cacheTTL": CACHE_TTL,
        "greeting": os.environ.get("GREETING"),
        "maxWorkers": os.environ["MAX_WORKERS"],
        "hasDatabase": bool(DATABASE_URL),
        "hasKey": bool(API_KEY),
    }

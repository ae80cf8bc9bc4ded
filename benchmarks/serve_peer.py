"""The same policy and the same commit behind FastAPI and uvicorn: what serve.py is compared with.

Started by `python -m benchmarks.serve_load --peer PYTHON`, with uvicorn's own parser and loop.
"""

import os
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from journal.live import LiveJournal
from journal.live_requests import prepare
from policies.spec import make
from serving.app import told, warm

WHERE = Path(os.environ["TIPBANDIT_BENCH"])
POLICY = make("linucb:alpha=1")
JOURNAL = LiveJournal(WHERE / "peer.db", WHERE / "peer-states")
warm(POLICY)
app = FastAPI()


@app.post("/score")
async def score(request: Request) -> JSONResponse:
    call = prepare("/score", await request.body())
    (outcome,) = JOURNAL.commit(POLICY, [call])
    return JSONResponse(told(call, outcome))

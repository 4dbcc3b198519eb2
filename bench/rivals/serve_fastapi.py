"""The rival of bench/serve.ts: FastAPI + onnxruntime, as its users write it. MODEL PORT THREADS.

pip install fastapi uvicorn[standard] onnxruntime pillow numpy"""
import io
import json
import sys

import numpy as np
import onnxruntime as ort
import uvicorn
from fastapi import FastAPI, Request
from PIL import Image
from starlette.concurrency import run_in_threadpool

path, port, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
options = ort.SessionOptions()
options.intra_op_num_threads = threads
session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
card = json.loads(session.get_modelmeta().custom_metadata_map["ai.anneal.card"])
classes = card["classes"]
app = FastAPI()


def answer(body: bytes):
    picture = np.asarray(Image.open(io.BytesIO(body)).convert("RGB"))[None]
    probabilities = session.run(["probabilities"], {"image": picture})[0][0]
    best = int(probabilities.argmax())
    top = probabilities.argsort()[::-1][:5]
    return {
        "label": classes[best],
        "probability": float(probabilities[best]),
        "probabilities": {classes[i]: float(probabilities[i]) for i in top},
    }


@app.post("/predict")
async def predict(request: Request):
    return await run_in_threadpool(answer, await request.body())


uvicorn.run(app, port=port, log_level="info", access_log=False)

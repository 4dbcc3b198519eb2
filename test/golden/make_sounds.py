"""Golden numbers for src/sound: python make_sounds.py [embedding_model.onnx] > sounds.json

pip install numpy soundfile onnx onnxruntime (soundfile brings libsndfile). audioop is in Python up to 3.12.
Everything is computed in float64 from the formulas, independently of the TypeScript code:
- resample: torchaudio's sinc_interp_hann as a direct sum over all samples
- mel: librosa.filters.mel (Slaney scale and norm) and the log-mel of Google's speech embedding
- embedding: the ONNX file under onnxruntime, and the same graph with weights by a formula
- files: the same tone as FLAC, MP3, Ogg Vorbis
"""
import audioop, base64, io, json, sys
import numpy as np

def sound(n, rate):
    t = np.arange(n) / rate
    return (0.3 * np.sin(2 * np.pi * 440 * t) + 0.2 * np.sin(2 * np.pi * (200 + 1500 * t) * t)
            + 0.01 * np.sin(2 * np.pi * 3100 * t + 1)).astype(np.float32)

def resample(x, old, new, crossings=24, passes=0.97):
    g = np.gcd(old, new); o, n = old // g, new // g
    base = min(1, n / o) * passes
    length = -(-len(x) * n // o)
    k = np.arange(len(x)); out = np.zeros(length)
    for i in range(length):
        t = np.clip((k - i * o / n) * base, -crossings, crossings)
        out[i] = np.sum(x.astype(np.float64) * base * np.sinc(t) * np.cos(np.pi * t / crossings / 2) ** 2)
    return out

def hz_to_mel(f): return np.where(f < 1000, f * 3 / 200, 15 + np.log(np.maximum(f, 1e-9) / 1000) / (np.log(6.4) / 27))
def mel_to_hz(m): return np.where(m < 15, m * 200 / 3, 1000 * np.exp((m - 15) * np.log(6.4) / 27))
def filters(rate, fft, bands, low, high):
    edges = mel_to_hz(np.linspace(hz_to_mel(np.float64(low)), hz_to_mel(np.float64(high)), bands + 2))
    freqs = np.fft.rfftfreq(fft, 1 / rate)
    ramps = edges[:, None] - freqs[None, :]
    d = np.diff(edges)
    w = np.maximum(0, np.minimum(-ramps[:-2] / d[:-1, None], ramps[2:] / d[1:, None]))
    return w * (2 / (edges[2:] - edges[:-2]))[:, None]

def power(x, rate, fft, window, hop, bands, low, high):
    w = np.zeros(fft); start = (fft - window) // 2
    w[start:start + window] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    frames = np.stack([x[i:i + fft] for i in range(0, len(x) - fft + 1, hop)]) * w
    return np.abs(np.fft.rfft(frames, axis=-1)) ** 2 @ filters(rate, fft, bands, low, high).T

def speech(x):
    db = 10 * np.log10(np.maximum(power(x.astype(np.float64) * 32768, 16000, 512, 400, 160, 32, 60, 3800), 1e-10))
    return np.maximum(db, db.max() - 80) / 10 + 2

def spectrogram(x, rate, hop, fft, frames, bands):
    out = []
    for window in frames:
        p = np.log(power(np.pad(x.astype(np.float64), fft // 2), rate, fft, window, hop, bands, 20, rate / 2) + 1e-5)
        out.append(((p - p.mean()) / (p.std(ddof=1) + 1e-3)).T[::-1])
    return np.stack(out)

def some(a, n=60):
    flat = np.asarray(a).ravel()
    at = np.unique(np.linspace(0, len(flat) - 1, n).astype(int))
    return {"shape": list(np.shape(a)), "at": at.tolist(), "values": flat[at].tolist()}

golden = {"resample": []}
for old, new, n in [(8000, 16000, 200), (44100, 16000, 900), (48000, 16000, 700), (22050, 32000, 300), (11025, 8000, 400), (7919, 16000, 150)]:
    golden["resample"].append({"from": old, "to": new, "samples": n, "out": some(resample(sound(n, old), old, new))})
x = sound(16400, 16000)
golden["speech"] = some(speech(x), 400)
golden["speechQuiet"] = some(speech(np.concatenate([np.zeros(4000, np.float32), x[:9000], np.zeros(3400, np.float32)])), 400)
golden["spectrogram"] = some(spectrogram(x, 16000, 320, 2048, [400, 800, 1600], 128), 400)
golden["aLaw"] = [v / 32768 for v in np.frombuffer(audioop.alaw2lin(bytes(range(256)), 2), np.int16).tolist()]
golden["muLaw"] = [v / 32768 for v in np.frombuffer(audioop.ulaw2lin(bytes(range(256)), 2), np.int16).tolist()]

import soundfile
tone = np.stack([sound(4000, 22050), 0.5 * sound(4000, 22050)], 1)
golden["files"] = {}
for name, kind, sub in [("flac", "FLAC", "PCM_16"), ("mp3", "MP3", None), ("ogg", "OGG", "VORBIS"), ("opus", "OGG", "OPUS"), ("aiff", "AIFF", "PCM_16")]:
    out = io.BytesIO()
    if name == "opus":
        soundfile.write(out, np.stack([sound(8000, 48000)] * 2, 1), 48000, format=kind, subtype=sub)
    else:
        soundfile.write(out, tone, 22050, format=kind, subtype=sub)
    golden["files"][name] = base64.b64encode(out.getvalue()).decode()

if len(sys.argv) > 1:
    import onnx, onnxruntime
    from onnx import numpy_helper
    model = onnx.load(sys.argv[1])
    mel = np.stack([speech(x), speech(x[::-1])]).astype(np.float32)
    def run(m):
        session = onnxruntime.InferenceSession(m.SerializeToString())
        out = np.stack([np.stack([session.run(None, {"input_1": clip[None, i:i + 76, :, None]})[0].ravel()
                                  for i in range(0, mel.shape[1] - 75, 8)]) for clip in mel])
        return out, np.concatenate([out.max(1), out.mean(1)], 1)
    maps, pooled = run(model)
    golden["embedding"] = {"maps": some(maps, 120), "pooled": some(pooled, 120)}
    for init in model.graph.initializer:  # weights by a formula: no file is needed to check the net
        if init.data_type != 1 or "const_fold" in init.name: continue
        shape = tuple(init.dims); n = int(np.prod(shape))
        scale = 1 / np.sqrt(np.prod(shape[1:])) if len(shape) == 4 else 0.1
        values = (scale * 1.5 * np.sin(np.arange(n) * 0.7 + len(shape) + shape[0])).astype(np.float32).reshape(shape)
        init.CopyFrom(numpy_helper.from_array(values, init.name))
    maps, pooled = run(model)
    golden["embeddingByFormula"] = {"maps": some(maps, 120), "pooled": some(pooled, 120)}
json.dump(golden, sys.stdout)

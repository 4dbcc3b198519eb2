import { probeSound, type SoundFileCard } from '../../../onnx/index.ts'
import { waveBytes } from '../../../runtime/sound/write-wav.ts'
import { probeBound } from '../../compare.ts'
import { named, type Probes, type TargetKind } from './kind.ts'

/** The made sounds of the card as WAVE files. */
async function probesOf(card: SoundFileCard): Promise<Probes> {
  const { probe = { samples: [], outputs: [] }, input, weights } = card
  const name = (i: number) => `probe.${i + 1}.wav`
  return {
    tolerance: Math.max(0.001, probeBound(weights)),
    probes: probe.samples.map((_, i) => ({ file: name(i), type: 'audio/wav', outputs: named(card, probe.outputs, i) })),
    files: Object.fromEntries(
      probe.samples.map((length, i) => [name(i), waveBytes(probeSound(length, input.rate), input.rate)]),
    ),
  }
}

const input = `// Reads the recordings of requests: WAVE files, and samples.
export const kind = 'sound'
export const takes = 'a recording'
export const maxBytes = 12_000_000
export const options = { limitSeconds: 120 }

/** What the model takes: the bytes of a WAVE file, or samples of one channel. */
export function inputOf(bytes, { type, refuse }) {
  if (bytes.length === 0) refuse(422, 'the recording has no bytes')
  if (type !== 'application/json') return bytes
  let value
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    refuse(400, 'the body is not valid JSON')
  }
  const { samples, sampleRate } = value ?? {}
  const expected = 'expected the bytes of a WAVE file, or JSON {"samples": [from -1 to 1, …], "sampleRate": 16000}'
  if (!Array.isArray(samples) || Object.keys(value).length !== 2) refuse(400, \`the JSON has no samples; \${expected}\`)
  if (typeof sampleRate !== 'number') refuse(400, \`sampleRate: got \${JSON.stringify(sampleRate)}; \${expected}\`)
  const odd = samples.findIndex(one => typeof one !== 'number')
  if (odd >= 0) refuse(400, \`samples[\${odd}]: got \${JSON.stringify(samples[odd])}; \${expected}\`)
  return { samples: Float32Array.from(samples), sampleRate }
}
`

/** Recordings. */
export const sounds: TargetKind<SoundFileCard> = {
  nouns: 'recordings',
  curl: () => '--data-binary @a.wav',
  probes: probesOf,
  packages: ['audio-decode'],
  notes: [
    'WAVE files are read by Anneal itself. Other formats (FLAC, MP3, Ogg, M4A) need the package audio-decode, which package.json has if the machine of the export had it; some of its decoders are under the GPL. To do without: `npm uninstall audio-decode`.',
  ],
  lambdaLimit: 'recordings of up to 4.5 MB (base64 adds a third): of WAVE files at 16 kHz and 16 bits 140 seconds',
  worker: () => ({
    files: { 'input.mjs': input },
    packages: {},
    ways: [
      'a WAVE file: curl --data-binary @a.wav https://…/predict',
      'as application/json {"samples": [from -1 to 1, …], "sampleRate": 16000}: one channel',
    ],
    limits: `- **Files.** WAVE files and samples. There is no decoder for MP3, FLAC and others: those of audio-decode compile WebAssembly while
  they run, which workers may not. Convert recordings before you send them, or take the folder of \`--to docker\` or \`--to lambda\`.
- **Memory.** A worker has 128 MB for the code, the model and the recording, so recordings have at most 12 MB and 120 seconds.
- **Time.** It computes in one thread, each window of a recording by itself.`,
  }),
}

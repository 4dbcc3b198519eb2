import { waveBytes } from '../../runtime/sound/write-wav.ts'

/** A microphone that is heard. */
export interface Microphone {
  /** Samples in a second. */
  rate: number
  stop(): void
}

/** Why a microphone can not be used, and what to do. */
const reasons: Record<string, string> = {
  NotAllowedError:
    'The browser does not let this page use the microphone. Allow it in the settings of the page, beside its address.',
  NotFoundError: 'No microphone is found.',
  NotReadableError: 'Another program uses the microphone. End it, and try again.',
}

/** Hands what the microphone hears from the thread of audio to the page: 2,048 samples at a time. */
const processor = `registerProcessor('hear', class extends AudioWorkletProcessor {
  kept = new Float32Array(2048)
  count = 0
  process([[channel]]) {
    if (channel) for (const value of channel) {
      this.kept[this.count++] = value
      if (this.count < this.kept.length) continue
      this.port.postMessage(this.kept)
      this.kept = new Float32Array(2048)
      this.count = 0
    }
    return true
  }
})`

/** Opens the microphone. hear: gets the samples of one channel, piece by piece. ended: it was unplugged. Throws an error whose
 *  message is for the reader. */
export async function openMicrophone(hear: (samples: Float32Array) => void, ended: () => void): Promise<Microphone> {
  if (!navigator.mediaDevices?.getUserMedia || !window.AudioContext)
    throw new Error('The microphone works only on pages that come over https, or from this device.')
  let stream: MediaStream
  try {
    // As it sounds: what a browser does for calls is unlike the recordings of training.
    const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false }
    stream = await navigator.mediaDevices.getUserMedia({ audio: plain, video: false })
  } catch (error) {
    const { name, message } = error as Error
    throw new Error(reasons[name] ?? `The microphone can not be used (${message}).`)
  }
  const context = new AudioContext()
  const stop = () => {
    for (const track of stream.getTracks()) track.stop()
    void context.close().catch(() => {})
  }
  try {
    const source = context.createMediaStreamSource(stream)
    source.connect(location.protocol === 'file:' ? olderNode(context, hear) : await workletNode(context, hear))
    await context.resume()
    for (const track of stream.getTracks()) track.addEventListener('ended', ended)
  } catch (error) {
    stop()
    throw new Error(`The microphone can not be used (${(error as Error).message}).`)
  }
  return { rate: context.sampleRate, stop }
}

/** Hears in the thread of audio. */
async function workletNode(context: AudioContext, hear: (samples: Float32Array) => void): Promise<AudioNode> {
  const address = URL.createObjectURL(new Blob([processor], { type: 'text/javascript' }))
  await context.audioWorklet.addModule(address)
  URL.revokeObjectURL(address)
  const node = new AudioWorkletNode(context, 'hear', {
    numberOfOutputs: 0,
    channelCount: 1,
    channelCountMode: 'explicit',
  })
  node.port.onmessage = ({ data }: MessageEvent<Float32Array>) => hear(data)
  return node
}

/** Hears in the thread of the page. Chromium takes no script for its thread of audio on a page that comes from the disk. */
function olderNode(context: AudioContext, hear: (samples: Float32Array) => void): AudioNode {
  const node = context.createScriptProcessor(2048, 1, 1)
  node.onaudioprocess = ({ inputBuffer }) => hear(inputBuffer.getChannelData(0).slice())
  node.connect(context.destination) // it runs only if it is heard; it plays silence
  return node
}

/** Samples as a WAVE file of 32-bit floats, to be played and saved. */
export const waveFile = (samples: Float32Array, rate: number): Blob =>
  new Blob([waveBytes(samples, rate)], { type: 'audio/wav' })

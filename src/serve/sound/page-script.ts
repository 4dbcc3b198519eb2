import { filesScript, filesStyle } from '../files-page.ts'

/** The script of the page: sends the chosen recordings, and what the microphone heard, to its own server and shows the
 *  answers. */
export const script = filesScript(
  `const itemOf = file => {
  const item = element('li', '', { className: 'card' })
  const player = document.createElement('audio')
  player.controls = true
  player.src = URL.createObjectURL(file)
  player.setAttribute('aria-label', file.name)
  item.append(element('p', file.name, { className: 'file' }), player)
  return { item, body: item }
}`,
  `
const button = document.querySelector('#record')
const level = document.querySelector('#level')

// A WAVE file of 32-bit floats, so that the server gets what the microphone heard.
const wave = (samples, rate) => {
  const view = new DataView(new ArrayBuffer(44 + 4 * samples.length))
  const word = (at, text) => { for (let i = 0; i < 4; i++) view.setUint8(at + i, text.charCodeAt(i)) }
  word(0, 'RIFF'); view.setUint32(4, 36 + 4 * samples.length, true); word(8, 'WAVE'); word(12, 'fmt ')
  view.setUint32(16, 16, true); view.setUint16(20, 3, true); view.setUint16(22, 1, true)
  view.setUint32(24, rate, true); view.setUint32(28, 4 * rate, true); view.setUint16(32, 4, true); view.setUint16(34, 32, true)
  word(36, 'data'); view.setUint32(40, 4 * samples.length, true)
  samples.forEach((value, i) => view.setFloat32(44 + 4 * i, value, true))
  return view.buffer
}
const worklet = "registerProcessor('hear', class extends AudioWorkletProcessor { process([[channel]]) { if (channel) this.port.postMessage(channel.slice()); return true } })"

let recording
const begin = async () => {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } })
  const context = new AudioContext()
  const url = URL.createObjectURL(new Blob([worklet], { type: 'text/javascript' }))
  await context.audioWorklet.addModule(url)
  URL.revokeObjectURL(url)
  const node = new AudioWorkletNode(context, 'hear')
  const pieces = []
  let shown = 0
  node.port.onmessage = ({ data }) => {
    pieces.push(data)
    const seconds = pieces.length * data.length / context.sampleRate
    if (seconds - shown > 0.5) { shown = seconds; level.textContent = seconds.toFixed(1) + ' s' }
  }
  context.createMediaStreamSource(stream).connect(node)
  return async () => {
    for (const track of stream.getTracks()) track.stop()
    await context.close()
    const samples = new Float32Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
    let at = 0
    for (const piece of pieces) { samples.set(piece, at); at += piece.length }
    return new File([wave(samples, context.sampleRate)], 'microphone ' + new Date().toLocaleTimeString() + '.wav', { type: 'audio/wav' })
  }
}
if (!navigator.mediaDevices || !window.AudioWorkletNode) {
  button.disabled = true
  level.textContent = 'The microphone needs a page of https or of localhost.'
}
button.addEventListener('click', async () => {
  button.disabled = true
  try {
    if (recording) {
      const stop = recording
      recording = undefined
      take([await stop()])
      level.textContent = ''
    } else {
      level.textContent = 'Asking for the microphone …'
      recording = await begin()
      level.textContent = 'Recording'
    }
  } catch (error) {
    level.textContent = 'The microphone can not be used: ' + error.message
  }
  button.disabled = false
  button.setAttribute('aria-pressed', String(Boolean(recording)))
  button.textContent = recording ? 'Stop and predict' : 'Record'
  button.focus()
})`,
)

/** The style of the page. */
export const style =
  filesStyle(`.buttons { display: flex; flex-wrap: wrap; gap: 12px; align-items: center; margin: 12px 0 0; }
button { font: inherit; color: var(--text); background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: 8px 16px; min-height: 44px; cursor: pointer; }
button:hover { border-color: var(--hue); }
button[aria-pressed=true] { background: var(--bad); border-color: var(--bad); color: var(--ground); font-weight: 600; }
.card { grid-template-columns: minmax(0, 1fr); gap: 8px; }
.card p { margin: 0; }
audio { width: 100%; }
@media (max-width: 480px) { main { padding: 22px 16px 48px; } .buttons button { flex: 1 1 auto; } }`)

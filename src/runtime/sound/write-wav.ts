/** Samples of one channel as a WAVE file of 32-bit floats, which keeps them as they are. */
export function waveBytes(samples: Float32Array, rate: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(44 + samples.byteLength)
  const view = new DataView(bytes.buffer)
  const word = (at: number, text: string) => {
    for (let i = 0; i < text.length; i++) view.setUint8(at + i, text.charCodeAt(i))
  }
  word(0, 'RIFF')
  view.setUint32(4, 36 + samples.byteLength, true)
  word(8, 'WAVEfmt ')
  view.setUint32(16, 16, true)
  view.setUint16(20, 3, true) // floats
  view.setUint16(22, 1, true)
  view.setUint32(24, rate, true)
  view.setUint32(28, 4 * rate, true)
  view.setUint16(32, 4, true)
  view.setUint16(34, 32, true)
  word(36, 'data')
  view.setUint32(40, samples.byteLength, true)
  // All machines that run this have the least byte first, as WAVE has.
  bytes.set(new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength), 44)
  return bytes
}

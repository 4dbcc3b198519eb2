import { aten, autocast, cat, noGrad, scope, type Tensor } from '../../torch/index.ts'
import type { Network, Precision } from '../../train/network.ts'

/** The sound is hidden piece by piece: so many pieces in time and in pitch. */
export const [times, pitches] = [8, 4] as const

/** Where the net listened: how much less probable the class becomes when a piece of the sound is silent (occlusion, Zeiler &
 *  Fergus 2013, arXiv:1311.2901), divided by the largest loss; [pitches × times] from 0 to 1, high notes first. x: one
 *  input [1, C, H, W]; `time`: the dimension of time. All 0 where no piece counts. */
export function listenedTo(
  { net, device = 'cpu' }: Pick<Network, 'net' | 'device'>,
  x: Tensor,
  { of, time, precision }: { of: number; time: 2 | 3; precision: Precision },
): { values: Float32Array; rows: number; columns: number } {
  net.eval()
  const values = noGrad(() =>
    scope(() => {
      const hidden = hiddenPieces(x, time)
      const logits = autocast(precision, () => net(cat([x, ...hidden])), { device }).to('float32')
      const told = aten.log_softmax(logits, 1).select(1, of).data() as Float32Array
      return Float32Array.from({ length: hidden.length }, (_, i) => Math.max(0, told[0]! - told[i + 1]!))
    }),
  )
  const most = Math.max(...values)
  return { values: most > 0.02 ? values.map(v => v / most) : values.fill(0), rows: pitches, columns: times }
}

/** Copies of x with one piece at the level of silence. */
function hiddenPieces(x: Tensor, time: 2 | 3): Tensor[] {
  const pitch = time === 2 ? 3 : 2
  const [frames, bands] = [x.shape[time]!, x.shape[pitch]!]
  const silence = aten.amin(x, { dim: [2, 3], keepdim: true })
  return Array.from({ length: pitches * times }, (_, i) => {
    const [row, column] = [Math.floor(i / times), i % times]
    // Low notes come first in the log-mel of speech, high notes in a picture.
    const band = time === 2 ? pitches - 1 - row : row
    const cut = (size: number, parts: number, part: number) =>
      [Math.floor((part * size) / parts), Math.ceil(((part + 1) * size) / parts)] as const
    const [t0, t1] = cut(frames, times, column)
    const [b0, b1] = cut(bands, pitches, band)
    const copy = x.clone()
    const piece = copy.narrow(time, t0, t1 - t0).narrow(pitch, b0, b1 - b0)
    piece.copy_(silence.expand(...piece.shape))
    return copy
  })
}

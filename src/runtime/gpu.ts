import type { Card } from '../onnx/card.ts'
import { probePicture } from '../onnx/probe.ts'
import { RunError, reasonOf } from './errors.ts'
import { runOnce } from './run-once.ts'
import type { Device, Ort, OrtSession } from './types.ts'

/** How much a device may differ from the outputs of the card's probe picture. */
const agreement = 1e-3

interface Choice {
  /** Makes a session with these providers of onnxruntime. */
  create(executionProviders: unknown[]): Promise<OrtSession>
  /** Makes a session on the usual device. */
  plain(): Promise<OrtSession>
  ort: Ort
  card: Card
  name: string
  /** Whether WebGPU was asked for; else it must be faster too. */
  asked: boolean
  usual: Device
}

/** Tries WebGPU with the probe picture of the card: it is taken if it gives the same answer and, unless it was asked for,
 *  is faster than the usual device. */
export async function chooseDevice({ create, plain, ort, card, name, asked, usual }: Choice): Promise<{
  session: OrtSession
  device: Device
  why: string
}> {
  const { session, fault, ms } = await onGpu(create, ort, card)
  if (session === undefined || fault !== undefined) {
    await session?.release()
    if (!asked) return { session: await plain(), device: usual, why: `WebGPU is not taken: ${fault}` }
    throw new RunError(
      'backend',
      `${name}: WebGPU can not be used: ${fault}. Give device: "auto" or "${usual}". WebGPU needs { ort: await import('onnxruntime-web/webgpu') }.`,
    )
  }
  if (asked) return { session, device: 'webgpu', why: 'as asked; it answers the probe picture as the card says' }
  let other: OrtSession | undefined
  try {
    other = await plain()
    const measured = await probe(other, ort, card)
    const times = `${ms.toFixed(1)} ms for the probe picture, ${usual} ${measured.ms.toFixed(1)} ms`
    if (measured.fault === undefined && ms < measured.ms) {
      await other.release()
      return { session, device: 'webgpu', why: `it agrees with the card and is faster: ${times}` }
    }
    await session.release()
    return { session: other, device: usual, why: `WebGPU is not taken: it is no faster: ${times}` }
  } catch (error) {
    await Promise.all([session.release(), other?.release()])
    throw error
  }
}

/** A session on WebGPU, and what speaks against it. */
async function onGpu(
  create: (executionProviders: unknown[]) => Promise<OrtSession>,
  ort: Ort,
  card: Card,
): Promise<{ session?: OrtSession; fault?: string; ms: number }> {
  try {
    // The resize keeps to the processor, since WebGPU's kernels know no antialiasing. No other provider is named: a
    // module without WebGPU would take that one without a word.
    const session = await create([{ name: 'webgpu', forceCpuNodeNames: ['preprocess/resize'] }])
    return { session, ...(await probe(session, ort, card)) }
  } catch (error) {
    return { fault: `it does not start (${reasonOf(error)})`, ms: 0 }
  }
}

/** Runs the probe picture of the card: what is wrong with the answers, and the milliseconds of the faster of two more
 *  runs. */
async function probe(session: OrtSession, ort: Ort, card: Card): Promise<{ fault?: string; ms: number }> {
  if (!card.probe) return { fault: 'the card has no probe picture to try it with', ms: 0 }
  const { channels } = card.input
  const picture = { ...card.probe, channels, data: probePicture(card.probe, channels) }
  try {
    const expected = card.probe.outputs
    const [got] = await runOnce(session, ort, card, [picture])
    const off = expected.map(
      (value, i) => Math.abs(value - got![i]!) / (card.task === 'regression' ? Math.max(1, Math.abs(value)) : 1),
    )
    const most = Math.max(...off)
    if (!(most <= agreement))
      return {
        fault: `its answer to the probe picture differs by ${most.toPrecision(3)}, the limit is ${agreement}`,
        ms: 0,
      }
    let ms = Number.POSITIVE_INFINITY
    for (let i = 0; i < 2; i++) {
      const start = performance.now()
      await runOnce(session, ort, card, [picture])
      ms = Math.min(ms, performance.now() - start)
    }
    return { ms }
  } catch (error) {
    return { fault: `it fails (${reasonOf(error)})`, ms: 0 }
  }
}

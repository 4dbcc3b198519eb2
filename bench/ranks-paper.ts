/** The model on paper of training over ranks: `node --import tsx bench/ranks-paper.ts` prints the table of docs/ranks.md.
 *
 *  A ring sums B bytes over n ranks in 2 (n − 1) / n · B / bandwidth, and 2 (n − 1) messages (Patarasuk and Yuan 2009,
 *  doi:10.1016/j.jpdc.2008.09.002). Within a machine of g GPUs the sum goes over its own links, between machines over the network: each machine
 *  sends 2 (m − 1) / m · B through it. The way back takes two thirds of a step, and all buckets but the last one can be sent
 *  while it goes on. */
import { fileURLToPath } from 'node:url'

/** What a step costs. Times in seconds, bandwidths in bytes a second. */
export interface Paper {
  machines: number
  gpus: number
  /** One step of one GPU on its share of the batch. */
  step: number
  gradientBytes: number
  /** The last bucket, which nothing can hide. */
  bucketBytes: number
  /** Within a machine, for each GPU. */
  inside: number
  /** Between machines, for each machine. */
  network: number
  /** Of one message between machines. */
  latency: number
}

/** Seconds to sum so many bytes over all ranks. */
export function sumSeconds({ machines: m, gpus: g, inside, network, latency }: Paper, bytes: number): number {
  const within = (2 * (g - 1) * bytes) / g / inside
  const between = m === 1 ? 0 : (2 * (m - 1) * bytes) / m / network + 2 * (m - 1) * latency
  return within + between
}

/** A step over all ranks, and the share of the speed of as many GPUs that work alone. */
export function stepSeconds(paper: Paper): { seconds: number; waited: number; efficiency: number } {
  const last = Math.min(paper.bucketBytes, paper.gradientBytes)
  const hideable = sumSeconds(paper, paper.gradientBytes - last)
  const waited = Math.max(0, hideable - (2 / 3) * paper.step) + sumSeconds(paper, last)
  const seconds = paper.step + waited
  return { seconds, waited, efficiency: paper.step / seconds }
}

const gbit = 1e9 / 8
const networks = [
  ['Ethernet, 10 Gbit/s', 10 * gbit, 50e-6],
  ['Ethernet, 25 Gbit/s', 25 * gbit, 30e-6],
  ['Ethernet, 100 Gbit/s', 100 * gbit, 20e-6],
  ['InfiniBand, 400 Gbit/s', 400 * gbit, 5e-6],
] as const
/** Nets by their parameters; the speed of one GPU is assumed, not measured. */
const nets = [
  ['resnet50', 25.6e6, 2500],
  ['convnext_base', 88.6e6, 1000],
] as const

/** 8 machines of 8 GPUs: rows of the table. A share of 64 pictures for each GPU, gradients in float32 or bfloat16, 300 GB/s
 *  between the GPUs of a machine, 90 % of a network's nominal bandwidth. */
export const onPaper = () =>
  nets.flatMap(([net, parameters, imagesPerSecond]) =>
    networks.flatMap(([network, bandwidth, latency]) =>
      ([4, 2] as const).map(bytes => {
        const paper: Paper = {
          machines: 8,
          gpus: 8,
          step: 64 / imagesPerSecond,
          gradientBytes: bytes * parameters,
          bucketBytes: 2 ** 22,
          inside: 300e9,
          network: 0.9 * bandwidth,
          latency,
        }
        const { seconds, waited, efficiency } = stepSeconds(paper)
        const sum = sumSeconds(paper, paper.gradientBytes)
        const round = (v: number) => Number(v.toPrecision(3))
        return {
          net,
          network,
          gradients: bytes === 4 ? 'float32' : 'bfloat16',
          stepMs: round(1000 * paper.step),
          sumMs: round(1000 * sum),
          waitedMs: round(1000 * waited),
          efficiency: round(efficiency),
          imagesPerSecond: Math.round((64 * 64) / seconds),
        }
      }),
    ),
  )

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.stdout.write(
    '| net | network | gradients | step of one GPU | sum | waited | efficiency | images/s of 64 GPUs |\n|---|---|---|---|---|---|---|---|\n',
  )
  for (const r of onPaper())
    process.stdout.write(
      `| ${r.net} | ${r.network} | ${r.gradients} | ${r.stepMs} ms | ${r.sumMs} ms | ${r.waitedMs} ms | ${Math.round(100 * r.efficiency)} % | ${r.imagesPerSecond.toLocaleString('en-US')} |\n`,
    )
}

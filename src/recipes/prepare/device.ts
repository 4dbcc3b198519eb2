import { OptionError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { option, setting } from '../../base/options.ts'
import { library } from '../../torch/index.ts'
import type { Precision } from '../../train/network.ts'

/** The default device for training: a GPU if libtorch sees one with CUDA. The GPU of a Mac has to be asked for (`mps`),
 *  because nobody has measured yet whether it is faster there. */
export const usualDevice = (): string => (library().cudaDevices > 0 ? 'cuda' : 'cpu')

/** Throws if the requested device or dtype is unavailable; never falls back to the CPU. */
export function checkDevice(device = 'cpu', precision?: Precision | 'auto'): void {
  if (precision === 'float16' && device === 'cpu')
    throw new OptionError(
      `${setting('precision', precision)}: processors have no instructions for it; expected bfloat16 or float32 on the CPU`,
    )
  if (!/^(cpu|cuda(:\d+)?|mps)$/.test(device))
    throw new OptionError(`${option('device')}: expected cpu, cuda, cuda:1 or mps, got ${device}`)
  if (device === 'cpu') return
  const { cudaDevices, mps, version } = library()
  if (device === 'mps') {
    if (mps) return
    throw new OptionError(
      `${setting('device', device)}: libtorch ${version} sees no GPU of a Mac here; mps needs macOS 14 or newer on an Apple processor. Leave ${option('device')} out to work on the CPU.`,
    )
  }
  if (Number(device.split(':')[1] ?? 0) < cudaDevices) return
  throw new OptionError(
    cudaDevices === 0
      ? `${setting('device', device)}: libtorch ${version} sees no CUDA device here; \`anneal doctor\` says why. Leave ${option('device')} out to work on the CPU.`
      : `${setting('device', device)}: libtorch ${version} sees ${plural(cudaDevices, 'CUDA device')} here; expected cuda:0${cudaDevices > 1 ? ` to cuda:${cudaDevices - 1}` : ''}.`,
  )
}

import { RunError } from './errors.ts'
import type { Device, ModelKind } from './types.ts'

const kinds: Record<ModelKind, string> = { picture: 'pictures', table: 'tables', text: 'texts', sound: 'sounds' }

/** The error for a file of another kind than the one that was asked for. */
export const otherKind = (name: string, kind: ModelKind, expected: ModelKind): RunError =>
  kinds[expected]
    ? new RunError(
        'model',
        `${name}: it is a model of ${kinds[kind]}, and kind: "${expected}" expects one of ${kinds[expected]}. Load another file, or with kind: "${kind}".`,
      )
    : new RunError('use', `kind: got ${JSON.stringify(expected)}, expected ${listed(Object.keys(kinds))}.`)

/** The error for a device that is not here. */
export const otherDevice = (device: unknown, usual: Device): RunError =>
  new RunError('use', `device: got ${JSON.stringify(device)}, expected ${listed(['auto', 'webgpu', usual])} here.`)

/** The error for a source of a model that is no whole address. */
export const noAddress = (given: unknown): RunError =>
  new RunError(
    'use',
    typeof given === 'string'
      ? `load: ${given} is no whole address, and no page is here that it could be relative to. Give the whole one, or bytes.`
      : `load: got ${String(given)}, expected the address of a model.onnx, or its bytes (Uint8Array, ArrayBuffer, Blob).`,
  )

const listed = (names: readonly string[]): string =>
  names.map((name, i) => `${i === 0 ? '' : i === names.length - 1 ? ' or ' : ', '}"${name}"`).join('')

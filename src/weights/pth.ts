import type { PickledTensor, PickleValue } from './globals.ts'
import { isKind } from './globals.ts'
import { isDict, unpickle } from './pickle.ts'
import { openZip } from './pth-zip.ts'
import type { Budget, Refuse } from './refuse.ts'
import { budgetFor, quote } from './refuse.ts'
import type { StoredTensor } from './stored-tensor.ts'
import { countElements, itemBytes } from './stored-tensor.ts'
import { extent, gather, isContiguous } from './strided.ts'

/** The first number in torch's legacy files. */
const legacyMagic = 0x1950a86a20f9469cfc6cn
const legacyProtocol = 1001

const saveStateDict = { advice: 'save the weights with torch.save(model.state_dict(), "weights.pth")' }
const bigEndian: Parameters<Refuse> = [
  'it was written on a big-endian machine',
  { advice: 'load it and save it again on a little-endian machine' },
]

/** The bytes of the magic number in the file. */
export const legacyMagicBytes = Buffer.from('6cfc9c46f9206aa85019', 'hex')

/** Reads a `.pth` of torch 1.6 and later: a zip archive with `data.pkl` and one entry per storage. `file`: the bytes of
 *  the file; contiguous tensors are views into them. Layout: torch/csrc/jit/serialization/export.cpp,
 *  serialization.py. */
export function readZipPth(file: Uint8Array, refuse: Refuse): Map<string, StoredTensor> {
  const budget = budgetFor(file.length, refuse)
  const zip = openZip(file, { refuse, budget })
  const pickles = zip.names.filter(name => /(^|\/)data\.pkl$/.test(name))
  const [name] = pickles
  if (name === undefined || pickles.length > 1)
    return refuse(
      `it is a zip archive with ${pickles.length} entries data.pkl, but torch.save writes one`,
      saveStateDict,
    )
  const root = name.slice(0, -'data.pkl'.length)
  if (zip.names.includes(`${root}constants.pkl`)) refuse('it is a TorchScript program, not weights', saveStateDict)
  const order = `${root}byteorder`
  if (zip.names.includes(order) && Buffer.from(zip.read(order)).toString() !== 'little') refuse(...bigEndian)

  const { value } = unpickle(zip.read(name), { what: name, refuse })
  const read = new Map<string, Uint8Array>()
  return tensorsOf(value, { refuse, budget }, key => {
    const entry = `${root}data/${key}`
    const data = read.get(entry) ?? zip.read(entry)
    read.set(entry, data)
    return data
  })
}

/** Reads a `.pth` of torch before 1.6: five pickles (magic, protocol, machine, object, keys of storages), then each
 *  storage as an int64 count and its bytes. `file`: the bytes of the file; contiguous tensors are views into them, at
 *  any alignment. Layout: torch/serialization.py, `_legacy_save`. */
export function readLegacyPth(file: Uint8Array, refuse: Refuse): Map<string, StoredTensor> {
  let at = 0
  const next = (what: string) => {
    const result = unpickle(file, { start: at, what, refuse })
    at = result.end
    return result
  }
  if (next('its magic number').value !== legacyMagic) refuse('its magic number is not that of torch.save')
  const protocol = next('its protocol number').value
  if (protocol !== legacyProtocol) refuse(`its protocol number is not ${legacyProtocol}`)
  const machine = next('the description of its machine').value
  if (isDict(machine) && machine.get('little_endian') === false) refuse(...bigEndian)
  const { value, storages } = next('its pickle')
  const keys = next('its list of storages').value
  if (!Array.isArray(keys)) return refuse('its list of storages is not a list')

  const found = new Map<string, Uint8Array>()
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  for (const key of keys) {
    const storage = typeof key === 'string' ? storages.get(key) : undefined
    if (storage === undefined || found.has(storage.key)) return refuse('its list of storages does not match its pickle')
    const what = `storage ${quote(storage.key)}`
    if (file.length - at < 8) refuse(`it ends before ${what}`)
    const numel = Number(view.getBigInt64(at, true))
    at += 8
    if (numel !== storage.numel) refuse(`${what} declares ${numel} elements, but the pickle ${storage.numel}`)
    const size = numel * itemBytes[storage.dtype]
    if (size > file.length - at) refuse(`${what} declares ${size} bytes, but ${file.length - at} are left`)
    found.set(storage.key, file.subarray(at, at + size))
    at += size
  }
  if (at !== file.length) refuse(`${file.length - at} bytes follow its last storage`)
  return tensorsOf(value, { refuse, budget: budgetFor(file.length, refuse) }, key => {
    return found.get(key) ?? refuse(`storage ${quote(key)} is not in the file`)
  })
}

/** The keys under which training programs store the state dict of a checkpoint. */
const wrappers = ['state_dict', 'model_state_dict', 'model']

/** The tensors of a state dict, plain or inside a checkpoint, as contiguous bytes. Other entries are skipped. */
function tensorsOf(
  value: PickleValue,
  { refuse, budget }: { refuse: Refuse; budget: Budget },
  find: (key: string) => Uint8Array,
): Map<string, StoredTensor> {
  if (!isDict(value)) return refuse('it holds no state dict', saveStateDict)
  const stateDict = wrappers.map(name => value.get(name)).find(isDict) ?? value
  const tensors = new Map<string, StoredTensor>()
  for (const [name, entry] of stateDict)
    if (typeof name === 'string' && isKind(entry, 'tensor'))
      tensors.set(name, materialise(entry, find(entry.storage.key), { what: `tensor ${quote(name)}`, refuse, budget }))
  if (tensors.size === 0) {
    const names = [...stateDict.keys()].slice(0, 5).map(name => quote(String(name)))
    refuse(`it holds no tensors (its entries: ${names.join(', ') || 'none'})`, saveStateDict)
  }
  return tensors
}

/** A view of the storage if the tensor is contiguous there, else a copy, which is spent from the budget. */
function materialise(
  { storage, offset, shape, strides }: PickledTensor,
  data: Uint8Array,
  { what, refuse, budget }: { what: string; refuse: Refuse; budget: Budget },
): StoredTensor {
  const { dtype, key, numel, start, end } = storage
  const item = itemBytes[dtype]
  if (data.length !== numel * item)
    refuse(`storage ${quote(key)} has ${data.length} bytes, but its ${numel} ${dtype} need ${numel * item}`)
  const view = { offset: start + offset, shape, strides }
  const [first, last] = extent(view) ?? refuse(`${what} has impossible sizes [${shape}]`)
  if (last > end) refuse(`${what} reaches to element ${last} of storage ${quote(key)}, which ends at ${end}`)
  if (isContiguous(view)) return { dtype, shape, data: data.subarray(first * item, last * item) }
  budget.spend(countElements(shape)! * item, what)
  return { dtype, shape, data: gather(data, view, item) }
}

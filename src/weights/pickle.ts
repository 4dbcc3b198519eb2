import type { Global, PickleDict, PickledStorage, PickleValue } from './globals.ts'
import { globals, isKind, storageOf } from './globals.ts'
import type { Opcode } from './opcodes.ts'
import { opcodeOf } from './opcodes.ts'
import type { Refuse } from './refuse.ts'
import { quote } from './refuse.ts'

/** The largest amount of work. An opcode costs 1, a new object 8. A state dict needs about 90 per tensor; a bomb needs
 *  more than this limit. */
const mostWork = 2_000_000
const longestInteger = 255

const saveAgain =
  'in a Python that you trust, load it and save only the weights: torch.save(model.state_dict(), "weights.pth")'

/** Reads the pickle at `start`. Returns its value, the position after its STOP, and the storages that it names, by key.
 *  Supports only the opcodes that torch.save writes for state dicts and only the names in `globals`. Nothing in the
 *  file is ever executed. Memory is bounded by the length of the pickle and a fixed amount of work. `what`: the name of
 *  the stream in error messages. */
export function unpickle(
  data: Uint8Array,
  { start = 0, what, refuse }: { start?: number; what: string; refuse: Refuse },
): { value: PickleValue; end: number; storages: Map<string, PickledStorage> } {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  const memo = new Map<number, PickleValue>()
  const storages = new Map<string, PickledStorage>()
  const stack: PickleValue[] = []
  const marks: number[] = []
  let at = start
  let opcodeAt = start
  let opcode: Opcode = 'STOP'
  let work = 0

  function fail(reason: string, advice?: string): never {
    return refuse(`${what}: ${opcode} at byte ${opcodeAt} ${reason}`, advice === undefined ? {} : { advice })
  }

  function charge(amount: number): void {
    work += amount
    if (work > mostWork) fail('needs more work than the pickle of any state dict', saveAgain)
  }

  function take(length: number): number {
    if (length > data.length - at) fail(`needs ${length} bytes, but ${data.length - at} are left`)
    at += length
    return at - length
  }

  const uint8 = (): number => view.getUint8(take(1))
  const uint16 = (): number => view.getUint16(take(2), true)
  const int32 = (): number => view.getInt32(take(4), true)
  const uint32 = (): number => view.getUint32(take(4), true)
  const uint64 = (): number => Number(view.getBigUint64(take(8), true)) // a rounded size is still too large

  function text(length: number): string {
    const from = take(length)
    try {
      return utf8.decode(data.subarray(from, at))
    } catch {
      return fail('holds text that is not UTF-8')
    }
  }

  function line(): string {
    const end = data.indexOf(0x0a, at)
    if (end < 0) fail('needs a line, but no line ends before the end of the file')
    const value = text(end - at)
    at++
    return value
  }

  function integer(length: number): number | bigint {
    if (length > longestInteger)
      fail(`needs an integer of ${length} bytes, but at most ${longestInteger} are supported`)
    const from = take(length)
    if (length === 0) return 0
    let value = 0n
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(data[from + i]!)
    value = BigInt.asIntN(8 * length, value)
    return Number.isSafeInteger(Number(value)) ? Number(value) : value
  }

  const floor = (): number => marks.at(-1) ?? 0

  function pop(): PickleValue {
    if (stack.length <= floor()) fail('finds nothing on the stack')
    return stack.pop()!
  }

  function popMark(): PickleValue[] {
    const mark = marks.pop()
    return mark === undefined ? fail('finds no MARK') : stack.splice(mark)
  }

  function popTuple(length: number): PickleValue[] {
    if (stack.length - length < floor()) fail(`finds fewer than ${length} values on the stack`)
    return stack.splice(stack.length - length)
  }

  function top(): PickleValue {
    if (stack.length <= floor()) fail('finds nothing on the stack')
    return stack.at(-1)!
  }

  function make(value: PickleValue): void {
    charge(8)
    stack.push(value)
  }

  function append(items: PickleValue[]): void {
    const list = top()
    if (!Array.isArray(list)) fail(`appends to ${describe(list)}; expected a list`)
    for (const item of items) list.push(item)
  }

  function setItems(items: PickleValue[]): void {
    const dict = top()
    if (!isDict(dict)) fail(`sets items of ${describe(dict)}; expected a dict`)
    if (items.length % 2 === 1) fail('has a key without a value')
    for (let i = 0; i < items.length; i += 2) dict.set(items[i]!, items[i + 1]!)
  }

  function global(module: PickleValue, name: PickleValue): Global {
    if (typeof module !== 'string' || typeof name !== 'string') fail('has a name that is not text')
    const full = `${module}.${name}`
    return (
      globals.get(full) ??
      fail(`asks for ${quote(full)}, which no state dict needs; it was not run (nothing in a file is run)`, saveAgain)
    )
  }

  function reduce(): void {
    const args = pop()
    const callee = pop()
    if (!isKind(callee, 'global') || callee.call === undefined)
      fail(`calls ${describe(callee)}, which is not allowed`, saveAgain)
    const value = Array.isArray(args) ? callee.call(args, charge) : undefined
    make(value ?? fail(`calls ${callee.name} with arguments that torch.save does not write`, saveAgain))
  }

  /** BUILD sets the attributes of an object. An OrderedDict of torch has `_metadata`, which is not needed here. */
  function build(): void {
    const state = pop()
    const target = top()
    if (!isDict(target) || !isDict(state))
      fail(
        `sets attributes of ${describe(target)} from ${describe(state)}; only an OrderedDict may have attributes`,
        saveAgain,
      )
  }

  function storage(): PickledStorage {
    const named = storageOf(pop()) ?? fail('names a storage in a form that torch.save does not write', saveAgain)
    const before = storages.get(named.key)
    if (before !== undefined && (before.dtype !== named.dtype || before.numel !== named.numel))
      fail(
        `names storage ${quote(named.key)} as ${named.numel} ${named.dtype}, but before as ${before.numel} ${before.dtype}`,
      )
    storages.set(named.key, named)
    return named
  }

  function remember(index: number): void {
    memo.set(index, top())
  }

  function recall(index: number): void {
    stack.push(memo.get(index) ?? (memo.has(index) ? null : fail(`asks for memo ${index}, which was never set`)))
  }

  /** Runs one opcode; true at STOP. */
  function step(): boolean {
    switch (opcode) {
      case 'PROTO': {
        const protocol = uint8()
        if (protocol < 2 || protocol > 5) fail(`gives protocol ${protocol}, but only 2 to 5 are supported`)
        break
      }
      case 'FRAME': {
        const length = uint64()
        if (length > data.length - at) fail(`needs ${length} bytes, but ${data.length - at} are left`)
        break
      }
      // biome-ignore-start format: a table
      case 'STOP':
        return true
      case 'MARK':
        marks.push(stack.length)
        break
      case 'POP':
        pop()
        break
      case 'POP_MARK':
        popMark()
        break
      case 'DUP':
        stack.push(top())
        break
      case 'NONE':
        stack.push(null)
        break
      case 'NEWTRUE':
        stack.push(true)
        break
      case 'NEWFALSE':
        stack.push(false)
        break
      case 'BININT':
        stack.push(int32())
        break
      case 'BININT1':
        stack.push(uint8())
        break
      case 'BININT2':
        stack.push(uint16())
        break
      case 'LONG1':
        stack.push(integer(uint8()))
        break
      case 'LONG4':
        stack.push(integer(uint32()))
        break
      case 'BINFLOAT':
        stack.push(view.getFloat64(take(8), false))
        break
      case 'BINUNICODE':
        make(text(uint32()))
        break
      case 'SHORT_BINUNICODE':
        make(text(uint8()))
        break
      case 'BINUNICODE8':
        make(text(uint64()))
        break
      case 'BINSTRING':
        make(text(uint32()))
        break // Python 2's str
      case 'SHORT_BINSTRING':
        make(text(uint8()))
        break
      case 'EMPTY_LIST':
        make([])
        break
      case 'EMPTY_TUPLE':
        make([])
        break
      case 'TUPLE1':
        make(popTuple(1))
        break
      case 'TUPLE2':
        make(popTuple(2))
        break
      case 'TUPLE3':
        make(popTuple(3))
        break
      case 'TUPLE':
        make(popMark())
        break
      case 'LIST':
        make(popMark())
        break
      case 'EMPTY_DICT':
        make(new Map())
        break
      case 'APPEND':
        append([pop()])
        break
      case 'APPENDS':
        append(popMark())
        break
      case 'SETITEM':
        setItems(popTuple(2))
        break
      case 'SETITEMS':
        setItems(popMark())
        break
      case 'BINGET':
        recall(uint8())
        break
      case 'LONG_BINGET':
        recall(uint32())
        break
      case 'BINPUT':
        remember(uint8())
        break
      case 'LONG_BINPUT':
        remember(uint32())
        break
      case 'MEMOIZE':
        remember(memo.size)
        break
      case 'GLOBAL':
        stack.push(global(line(), line()))
        break
      case 'STACK_GLOBAL': {
        const name = pop()
        stack.push(global(pop(), name))
        break
      }
      case 'REDUCE':
        reduce()
        break
      case 'BUILD':
        build()
        break
      case 'BINPERSID':
        make(storage())
        break
      case 'INST':
        fail(`asks for ${quote(`${line()}.${line()}`)}, which no state dict needs; it was not run`, saveAgain)
        break
      default:
        fail('is not among the opcodes that a state dict needs; it was not run', saveAgain)
      // biome-ignore-end format: a table
    }
    return false
  }

  for (;;) {
    opcodeAt = at
    if (at >= data.length) refuse(`${what}: the pickle ends at byte ${at} without STOP`)
    opcode =
      opcodeOf(data[at]!) ??
      refuse(`${what}: byte ${at} is 0x${data[at]!.toString(16).padStart(2, '0')}, which is not a pickle opcode`)
    at++
    charge(1)
    if (step()) return { value: pop(), end: at, storages }
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Whether a value is a Python dictionary. */
export const isDict = (value: PickleValue | undefined): value is PickleDict => value instanceof Map

/** A value in a few words, for error messages. */
function describe(value: PickleValue): string {
  if (value === null) return 'None'
  if (isDict(value)) return 'a dict'
  if (Array.isArray(value)) return 'a list or tuple'
  if (typeof value === 'string') return `the text ${quote(value)}`
  if (typeof value !== 'object') return `the ${typeof value} ${value}`
  return value.kind === 'global' ? value.name : `a ${value.kind}`
}

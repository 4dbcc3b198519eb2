// The names in a library of macOS (Mach-O, 64 bits, little-endian): what it needs, and what it exports.
import { closeSync, openSync, readSync } from 'node:fs'

const [magic, symbolTable, loadDylib, idDylib] = [0xfeedfacf, 0x2, 0xc, 0xd]

/** Reads the symbol table. `needed`: the external symbols that are undefined; `exported`: the external ones that are
 *  defined; `libraries`: the paths of the libraries that it loads. */
export function symbolsOf(path) {
  const file = openSync(path, 'r')
  try {
    const read = (at, length) => {
      const buffer = Buffer.alloc(length)
      readSync(file, buffer, 0, length, at)
      return buffer
    }
    const header = read(0, 32)
    if (header.readUInt32LE(0) !== magic) throw new Error(`${path} is not a 64-bit Mach-O file`)
    const commands = read(32, header.readUInt32LE(20))
    const libraries = []
    let table
    for (let at = 0, left = header.readUInt32LE(16); left > 0; left--) {
      const [kind, size] = [commands.readUInt32LE(at), commands.readUInt32LE(at + 4)]
      if (kind === symbolTable) table = [0, 4, 8, 12].map(offset => commands.readUInt32LE(at + 8 + offset))
      if (kind !== idDylib && (kind & 0x7fffffff) === loadDylib)
        libraries.push(textAt(commands, at + commands.readUInt32LE(at + 8)))
      at += size
    }
    if (!table) throw new Error(`${path} has no symbol table`)
    const [offset, count, strings, length] = table
    const [entries, names] = [read(offset, count * 16), read(strings, length)]
    const [needed, exported] = [new Set(), new Set()]
    for (let i = 0; i < count; i++) {
      const kind = entries[i * 16 + 4]
      if (kind & 0xe0 || !(kind & 1)) continue // for debuggers, or private
      const name = textAt(names, entries.readUInt32LE(i * 16))
      ;(kind & 0x0e ? exported : needed).add(name)
    }
    return { libraries, needed, exported }
  } finally {
    closeSync(file)
  }
}

const textAt = (buffer, at) => buffer.toString('latin1', at, buffer.indexOf(0, at))

/** The symbols that the libraries of macOS export for an architecture such as `arm64`, from the text of an SDK's .tbd file.
 *  Programs for arm64 also load libraries that are built for arm64e. */
export function exportedFor(arch, tbd) {
  const targets = arch === 'arm64' ? ['arm64-macos', 'arm64e-macos'] : [`${arch}-macos`]
  const found = new Set()
  const words = list => list.split(/[\s,']+/).filter(Boolean)
  // A block: `- targets: [ … ]`, then lists by their kinds.
  for (const block of tbd.split(/^ *- targets: */m).slice(1)) {
    const [own, ...lists] = Array.from(block.matchAll(/\[([^\]]*)\]/g), ([, list]) => words(list))
    const kinds = Array.from(block.matchAll(/^ +([\w-]+): *\[/gm), ([, kind]) => kind)
    if (!own?.some(target => targets.includes(target))) continue
    for (const [i, kind] of kinds.entries()) if (/symbols$/.test(kind)) for (const name of lists[i]) found.add(name)
  }
  return found
}

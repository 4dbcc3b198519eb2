// Runs commands in the folder of another Linux system, such as one that debootstrap made. It needs root.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** What a system needs to reach the registries as this one does. */
const settings = [
  '/etc/resolv.conf',
  '/etc/hosts',
  '/etc/pip.conf',
  process.env.NODE_EXTRA_CA_CERTS,
  process.env.PIP_CERT,
]

// The mounts are seen by this command alone, and end with it.
const enter = `
mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" || exit 125
system=$1 user=$2
shift 2
exec chroot --userspec="$user:$user" --groups= "$system" sh -c 'cd "$0" && exec "$@"' "$@"
`

/** The command line that runs another one in `system` as the user `uid`, in the folder `cwd` of that system. */
export const commandIn = (system, uid, cwd, args) => [
  'unshare',
  '--mount',
  'sh',
  '-c',
  enter,
  'enter',
  system,
  String(uid),
  cwd,
  ...args,
]

/** Gives a system the network settings of this one, and checks that no compiler is in it. Returns what it is. */
export function prepared(system) {
  for (const path of settings.filter(path => path && existsSync(path))) {
    mkdirSync(join(system, dirname(path)), { recursive: true })
    copyFileSync(path, join(system, path))
  }
  const script =
    'for c in c++ g++ clang++ cmake; do command -v $c; done; . /etc/os-release; echo "$PRETTY_NAME"; ldd --version'
  const [command, ...args] = commandIn(system, 0, '/', ['sh', '-c', script])
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', env: { PATH: systemPath } })
  if (status !== 0) throw new Error(`can't run a command in ${system}: ${stderr}`)
  const [name, libc] = stdout.split('\n')
  if (name.startsWith('/')) throw new Error(`${system} has a compiler, ${name}: give a system without one`)
  return `${name}, ${libc}`
}

/** Where a system has its programs. */
export const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

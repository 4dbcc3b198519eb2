import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { divide, readCommand } from '../../src/launch/command-line.ts'
import { launchOptions } from '../../src/launch/options.ts'
import { placeOf, rankVariables } from '../../src/launch/place.ts'
import { readEnvironment } from '../../src/ranks/environment.ts'

const file = (name: string) => fileURLToPath(new URL(`../../docs/ranks/${name}`, import.meta.url))
const work = mkdtempSync(join(tmpdir(), 'anneal-manifests-'))
after(() => rmSync(work, { recursive: true, force: true }))

type Container = {
  name: string
  command: string[]
  args: string[]
  env: { name: string; value: string }[]
  volumeMounts: { name: string }[]
}
type Pods = { replicas: number; template: { spec: { containers: Container[]; volumes: { name: string }[] } } }

/** Checks that ranks are 0 to n − 1, that all meet at one place, and that each has its place on its machine. */
function isGroup(all: (ReturnType<typeof readEnvironment> | undefined)[], host: string, localSize: number): void {
  assert.deepEqual(
    all.map(one => one?.rank),
    Array.from(all.keys()),
  )
  for (const one of all) {
    assert.deepEqual([one?.size, one?.host, one?.localSize], [all.length, host, localSize])
    assert.equal(one?.port, all[0]?.port)
    assert.equal(one?.localRank, one!.rank % localSize)
  }
}

test("the PyTorchJob: the operator's variables give each pod its rank", () => {
  const { apiVersion, kind, spec } = parse(readFileSync(file('pytorchjob.yaml'), 'utf8'))
  assert.deepEqual([apiVersion, kind], ['kubeflow.org/v1', 'PyTorchJob'])
  const { Master, Worker } = spec.pytorchReplicaSpecs as Record<string, Pods>
  const pods = Master!.replicas + Worker!.replicas
  for (const { template } of [Master!, Worker!]) {
    const [container] = template.spec.containers
    assert.equal(container!.name, 'pytorch', 'the operator sets its variables in the container of this name')
    const own = Object.fromEntries(container!.env.map(({ name, value }) => [name, value]))
    assert.ok(
      Object.values(own).every(value => typeof value === 'string'),
      'Kubernetes refuses numbers here',
    )
    assert.deepEqual(
      container!.volumeMounts.map(({ name }) => name),
      template.spec.volumes.map(({ name }) => name),
    )
    isGroup(
      Array.from({ length: pods }, (_, RANK) =>
        readEnvironment({
          ...own,
          MASTER_ADDR: 'anneal-master-0',
          MASTER_PORT: '23456',
          WORLD_SIZE: String(pods),
          RANK: String(RANK),
          PET_NNODES: String(pods),
        }),
      ),
      'anneal-master-0',
      1,
    )
  }
})

test('anneal launch in the pods of a PyTorchJob with several processes each', () => {
  const pod = (rank: number, PET_NPROC_PER_NODE: string, WORLD_SIZE: string) => ({
    MASTER_ADDR: 'anneal-master-0',
    MASTER_PORT: '23456',
    RANK: String(rank),
    WORLD_SIZE,
    PET_NODE_RANK: String(rank),
    PET_NNODES: '2',
    PET_NPROC_PER_NODE,
  })
  const all = [0, 1].flatMap(rank => {
    const env = pod(rank, '3', '6')
    const place = placeOf({}, env)
    return Array.from({ length: place.nproc }, (_, local) =>
      readEnvironment({ ...env, ...rankVariables({ ...place, masterPort: place.masterPort! }, local) }),
    )
  })
  isGroup(all, 'anneal-master-0', 3)
  assert.equal(placeOf({}, pod(0, 'auto', '2')).nproc, 1)
  assert.equal(readEnvironment(pod(1, 'auto', '2'))?.size, 2, 'without the launcher: one rank in each pod')
  assert.throws(
    () => readEnvironment(pod(1, '3', '6')),
    /WORLD_SIZE=6 counts PET_NPROC_PER_NODE=3 processes in each of PET_NNODES=2 pods.*anneal launch train/,
    'a rank that nobody starts is not waited for',
  )
})

test("the script of the PyTorchJob's pods starts a run, and goes on with it", () => {
  const { spec } = parse(readFileSync(file('pytorchjob.yaml'), 'utf8'))
  const { command, args } = spec.pytorchReplicaSpecs.Worker.template.spec.containers[0] as Container
  const run = join(work, 'job')
  const script = args[0]!.replaceAll('/data/runs/anneal', run)
  const bin = commands('node', 'echo "$@"')
  const said = () =>
    spawnSync(command[0]!, [...command.slice(1), script], { encoding: 'utf8', env: { ...process.env, PATH: bin } })
      .stdout
  assert.equal(said(), `/app/node_modules/anneal/bin/anneal.mjs train /data/photos --out ${run}\n`)
  mkdirSync(run)
  writeFileSync(join(run, 'config.json'), '{}')
  assert.equal(said(), `/app/node_modules/anneal/bin/anneal.mjs train --resume ${run}\n`)
})

test("the TrainJob: anneal launch reads the runtime's variables", () => {
  const { spec } = parse(readFileSync(file('trainjob.yaml'), 'utf8'))
  const { numNodes, numProcPerNode, command, args } = spec.trainer
  assert.deepEqual(command.slice(0, 3), ['node', '/app/node_modules/anneal/bin/anneal.mjs', 'launch'])
  const divided = divide([...command.slice(3), ...args], launchOptions)
  assert.deepEqual(divided.own, ['--max-restarts', '3'])
  assert.deepEqual(readCommand(divided.command, ['node', 'anneal']).anneal, args)
  const all = Array.from({ length: numNodes }, (_, node) => {
    const place = placeOf(
      {},
      {
        PET_NNODES: String(numNodes),
        PET_NODE_RANK: String(node),
        PET_NPROC_PER_NODE: String(numProcPerNode),
        PET_MASTER_ADDR: 'anneal-node-0-0.anneal',
        PET_MASTER_PORT: '29400',
      },
    )
    return Array.from({ length: place.nproc }, (_, local) =>
      readEnvironment(rankVariables({ ...place, masterPort: place.masterPort! }, local)),
    )
  }).flat()
  isGroup(all, 'anneal-node-0-0.anneal', numProcPerNode)
})

/** A folder with one program, before the PATH. */
function commands(name: string, body: string): string {
  const bin = join(work, `bin-${name}`)
  mkdirSync(bin, { recursive: true })
  writeFileSync(join(bin, name), `#!/bin/sh\n${body}\n`)
  chmodSync(join(bin, name), 0o755)
  return `${bin}:${process.env.PATH}`
}

describe("Slurm's script", () => {
  const text = readFileSync(file('slurm.sh'), 'utf8')
  const asked = (name: string) => new RegExp(`^#SBATCH --${name}=(.*)$`, 'm').exec(text)?.[1]
  const [nodes, tasks] = [Number(asked('nodes')), Number(asked('ntasks-per-node'))]

  test('bash reads it', () => {
    assert.equal(spawnSync('bash', ['-n', file('slurm.sh')]).status, 0)
  })

  test("srun's variables give each task its rank", () => {
    const all = Array.from({ length: nodes * tasks }, (_, task) =>
      readEnvironment({
        SLURM_JOB_ID: '4711',
        SLURM_STEP_ID: '0',
        SLURM_PROCID: String(task),
        SLURM_LOCALID: String(task % tasks),
        SLURM_NODEID: String(Math.floor(task / tasks)),
        SLURM_NTASKS: String(nodes * tasks),
        SLURM_STEP_NUM_TASKS: String(nodes * tasks),
        SLURM_STEP_TASKS_PER_NODE: `${tasks}(x${nodes})`,
        SLURM_STEP_NODELIST: 'node[07-08]',
      }),
    )
    isGroup(all, 'node07', tasks)
  })

  test('it starts a run, goes on with it, and comes again after a stop alone', () => {
    const path = [commands('srun', 'echo "$ANNEAL_THREADS: $@"; exit $CODE'), commands('scontrol', 'echo "again: $@"')]
      .map(p => p.split(':')[0])
      .join(':')
    const job = (more: object = {}, options: string[] = []) => {
      const { status, stdout } = spawnSync('bash', [file('slurm.sh'), 'photos', ...options], {
        cwd: work,
        encoding: 'utf8',
        env: {
          ...process.env,
          PATH: `${path}:${process.env.PATH}`,
          SLURM_JOB_ID: '4711',
          SLURM_CPUS_PER_TASK: '8',
          CODE: '0',
          ...more,
        },
      })
      return { status, stdout }
    }
    // srun does not take over the processors of a task from sbatch since Slurm 22.05.
    const start = '8: --cpus-per-task=8 --kill-on-bad-exit=1 node_modules/.bin/anneal train'
    assert.deepEqual(job(), { status: 0, stdout: `${start} photos --out runs/slurm-4711\n` })
    assert.deepEqual(job({}, ['--epochs', '5']), {
      status: 0,
      stdout: `${start} photos --epochs 5 --out runs/slurm-4711\n`,
    })
    assert.deepEqual(job({ CODE: '143' }), {
      status: 143,
      stdout: `${start} photos --out runs/slurm-4711\nagain: requeue 4711\n`,
    })
    assert.deepEqual(job({ CODE: '1' }), { status: 1, stdout: `${start} photos --out runs/slurm-4711\n` })
    mkdirSync(join(work, 'runs/slurm-4711'), { recursive: true })
    writeFileSync(join(work, 'runs/slurm-4711/config.json'), '{}')
    assert.deepEqual(job(), { status: 0, stdout: `${start} --resume runs/slurm-4711\n` })
  })
})

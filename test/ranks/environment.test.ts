import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readEnvironment } from '../../src/ranks/environment.ts'
import { firstHost, tasksOf, type Variables } from '../../src/ranks/launchers.ts'

const torchrun = {
  RANK: '5',
  WORLD_SIZE: '8',
  LOCAL_RANK: '1',
  LOCAL_WORLD_SIZE: '4',
  GROUP_RANK: '1',
  MASTER_ADDR: 'first',
  MASTER_PORT: '29400',
  TORCHELASTIC_RUN_ID: 'job',
  TORCHELASTIC_USE_AGENT_STORE: 'True',
  TORCHELASTIC_RESTART_COUNT: '2',
}
const openMpi = (size: number, local = size) => ({
  OMPI_COMM_WORLD_RANK: '1',
  OMPI_COMM_WORLD_SIZE: String(size),
  OMPI_COMM_WORLD_LOCAL_RANK: '1',
  OMPI_COMM_WORLD_LOCAL_SIZE: String(local),
})
const slurm = {
  SLURM_PROCID: '3',
  SLURM_NTASKS: '4',
  SLURM_LOCALID: '1',
  SLURM_NODEID: '1',
  SLURM_JOB_ID: '123456',
  SLURM_STEP_ID: '0',
  SLURM_JOB_NODELIST: 'gpu[07-08]',
  SLURM_STEP_TASKS_PER_NODE: '2(x2)',
}
const place = (env: Variables) => {
  const found = readEnvironment(env)
  return found && `${found.rank}/${found.size} ${found.localRank}/${found.localSize} ${found.host}:${found.port}`
}

test('no variables, and a group of one: one process', () => {
  assert.equal(readEnvironment({ PATH: '/bin', MASTER_ADDR: 'x' }), undefined)
  assert.equal(readEnvironment({ RANK: '0', WORLD_SIZE: '1' }), undefined)
  assert.equal(readEnvironment({ ...openMpi(1), OMPI_COMM_WORLD_RANK: '0' }), undefined)
})

test('torchrun: all its variables, and that its agent listens already', () => {
  const found = readEnvironment(torchrun)!
  assert.equal(place(torchrun), '5/8 1/4 first:29400')
  assert.equal(found.storeIsThere, true)
  assert.equal(found.attempt, 2)
  assert.equal(found.job, 'job')
  assert.equal(found.listenOn, undefined)
  assert.equal(readEnvironment({ ...torchrun, GLOO_SOCKET_IFNAME: 'eth1' })!.listenOn, 'eth1')
})

test('torchrun inside mpirun or srun gives the place', () => {
  assert.equal(place({ ...torchrun, ...openMpi(2), ...slurm }), '5/8 1/4 first:29400')
})

test('a PyTorchJob: one process in each pod, no LOCAL_RANK', () => {
  const env = { RANK: '1', WORLD_SIZE: '3', MASTER_ADDR: 'job-master-0', MASTER_PORT: '23456' }
  assert.equal(place(env), '1/3 0/1 job-master-0:23456')
  assert.equal(readEnvironment(env)!.storeIsThere, false)
})

test("Kubeflow's trainer without torchrun", () => {
  const env = { PET_NNODES: '2', PET_NODE_RANK: '1', PET_MASTER_ADDR: 'node-0.job', PET_MASTER_PORT: '29500' }
  assert.equal(place(env), '1/2 0/1 node-0.job:29500')
})

test('Open MPI on one machine: the loopback, and a port that follows from the job', () => {
  const one = readEnvironment({ ...openMpi(2), PMIX_NAMESPACE: 'prterun-host-17@1' })!
  const same = readEnvironment({ ...openMpi(2), OMPI_COMM_WORLD_RANK: '0', PMIX_NAMESPACE: 'prterun-host-17@1' })!
  const other = readEnvironment({ ...openMpi(2), PMIX_NAMESPACE: 'prterun-host-18@1' })!
  assert.equal(one.host, '127.0.0.1')
  assert.equal(one.port, same.port)
  assert.notEqual(one.port, other.port)
  assert.equal(place({ ...openMpi(2), MASTER_PORT: '1234' }), '1/2 1/2 127.0.0.1:1234')
})

test('Open MPI on several machines needs the address of rank 0', () => {
  assert.throws(() => readEnvironment(openMpi(4, 2)), /MASTER_ADDR is not set, and Open MPI does not say/)
  assert.throws(() => readEnvironment({ ...openMpi(4, 2), MASTER_ADDR: 'a' }), /MASTER_PORT is not set/)
  assert.equal(place({ ...openMpi(4, 2), MASTER_ADDR: 'a', MASTER_PORT: '77' }), '1/4 1/2 a:77')
})

test('Slurm: the first host of the list, a port that follows from the job, the tasks of this node', () => {
  assert.equal(place(slurm), '3/4 1/2 gpu07:18456')
  assert.equal(place({ ...slurm, MASTER_ADDR: '10.0.0.7', MASTER_PORT: '5000' }), '3/4 1/2 10.0.0.7:5000')
  assert.equal(place({ ...slurm, SLURM_NTASKS: '16', SLURM_STEP_NUM_TASKS: '4' }), '3/4 1/2 gpu07:18456')
})

test("a batch script of Slurm, outside of srun's steps, is one process", () => {
  const { SLURM_STEP_ID: _, ...script } = slurm
  assert.equal(readEnvironment(script), undefined)
})

test('MPICH on one machine', () => {
  const env = { PMI_RANK: '0', PMI_SIZE: '2', MPI_LOCALRANKID: '0', MPI_LOCALNRANKS: '2' }
  assert.equal(place(env), '0/2 0/2 127.0.0.1:29500')
})

test('what is half set or contradicts itself is refused with its values', () => {
  const cases: [Variables, RegExp][] = [
    [{ RANK: '0' }, /RANK=0 is set, but WORLD_SIZE is not/],
    [{ WORLD_SIZE: '2' }, /WORLD_SIZE=2 is set, but RANK is not/],
    [{ RANK: '2', WORLD_SIZE: '2' }, /RANK=2 and WORLD_SIZE=2 contradict each other/],
    [{ RANK: 'one', WORLD_SIZE: '2' }, /RANK=one: expected a whole number/],
    [{ RANK: '-1', WORLD_SIZE: '2' }, /RANK=-1: expected a whole number/],
    [{ RANK: '0', WORLD_SIZE: '0' }, /WORLD_SIZE=0: a group has at least 1 process/],
    [{ RANK: '0', WORLD_SIZE: '2' }, /MASTER_ADDR is not set/],
    [{ RANK: '0', WORLD_SIZE: '2', MASTER_ADDR: 'a' }, /MASTER_PORT is not set/],
    [{ RANK: '0', WORLD_SIZE: '2', MASTER_ADDR: 'a', MASTER_PORT: '70000' }, /MASTER_PORT=70000: a TCP port/],
    [{ ...torchrun, LOCAL_RANK: '4' }, /LOCAL_RANK=4 and LOCAL_WORLD_SIZE=4 contradict each other/],
    [
      { RANK: '0', WORLD_SIZE: '2', MASTER_ADDR: 'a', MASTER_PORT: '1', ...openMpi(2) },
      /RANK=0 and WORLD_SIZE=2 are set .*, but OMPI_COMM_WORLD_RANK=1 and OMPI_COMM_WORLD_SIZE=2 are set/,
    ],
  ]
  for (const [env, message] of cases) assert.throws(() => readEnvironment(env), message, `${JSON.stringify(env)}`)
})

test("Slurm's lists", () => {
  assert.equal(firstHost('a'), 'a')
  assert.equal(firstHost('a,b'), 'a')
  assert.equal(firstHost('node[003-005,9],other'), 'node003')
  assert.equal(firstHost('rack[1,3]-x'), 'rack1-x')
  assert.equal(firstHost(''), undefined)
  assert.deepEqual(
    [0, 1, 2, 3].map(n => tasksOf('4(x2),3', n)),
    [4, 4, 3, undefined],
  )
})

import { int, number, path, text } from '../base/option-kinds.ts'
import { group } from '../base/option-table.ts'

// biome-ignore format: one option, one line or two
/** Options of `anneal launch`. They stand before the command that is started. */
export const launchOptions = group('Launch', ['launch'], {
  nproc: int(1, 1024).flag('--nproc <n>').default(1).example(2)
    .says('how many processes (ranks) start on this machine, also --nproc-per-node; usually one for each GPU or each group of cores'),
  nnodes: int(1, 10_000).flag('--nnodes <n>').default(1).example(2)
    .says('how many machines take part; `anneal launch` is started once on each of them'),
  nodeRank: int(0, 9_999).flag('--node-rank <k>').default(0).example(1).says('the number of this machine, from 0'),
  masterAddr: text('an address or a name').flag('--master-addr <address>').otherwise('127.0.0.1; with --nnodes it has to be given')
    .example('10.0.0.1').says('the address of machine 0, where rank 0 waits for the others'),
  masterPort: int(1, 65535).flag('--master-port <port>').otherwise('any free one; 29500 with --nnodes').example(29500)
    .says('the port on which rank 0 waits for the others'),
  maxRestarts: int(0, 1000).flag('--max-restarts <n>').default(0).example(3)
    .says('how often all ranks are started again after one of them failed; training goes on from the saved state'),
  threads: int(1, 4096).flag('--threads <n>').otherwise('the cores of this machine divided by --nproc').example(4)
    .says('threads of each rank'),
  grace: number({ from: 0, to: 3600 }, 'seconds').flag('--grace <seconds>').default(15)
    .says('how long the other ranks may take to end after one of them ended, before they are killed'),
  logDir: path('the path of a folder').flag('--log-dir <folder>').example('logs')
    .says('write the output of each rank into a file here too: rank-0.log, rank-1.log, …'),
})

import { openKoffi } from './library.ts'

/** M_MMAP_THRESHOLD of glibc's malloc.h. */
const mapFrom = -3
const bytes = 1 << 20

/** From now on, arrays of 1 MB or more go back to the system when they are freed. Without this, glibc raises that limit up
 *  to 32 MB with each large array that is freed; then the arrays of a table stay in its heap, and the process takes about
 *  100 MB more than it uses. Other C libraries stay as they are. */
export function returnMemory(): void {
  if (process.platform !== 'linux') return
  try {
    const set = openKoffi().load('libc.so.6').func('int mallopt(int what, int value)')
    set(mapFrom, bytes)
  } catch {
    // Without koffi the fit says what is missing; musl has no such function.
  }
}

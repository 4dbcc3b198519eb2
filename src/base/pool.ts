/** Reuses memory for bytes with a short life. New memory each time would cost page faults and runs of the garbage
 *  collector. */
export class BufferPool {
  private readonly free: Buffer[] = []
  private readonly rented = new Map<ArrayBufferLike, Buffer>()

  /** `length` uninitialized bytes. Return them with `give` when nobody reads them any more. */
  rent(length: number): Uint8Array {
    const at = this.free.findIndex(buffer => buffer.length >= length)
    const buffer = at >= 0 ? this.free.splice(at, 1)[0]! : Buffer.allocUnsafeSlow(Math.ceil(length * 1.25))
    this.rented.set(buffer.buffer, buffer)
    return buffer.subarray(0, length)
  }

  /** Takes back bytes from `rent`, or a part of them. Other memory is ignored. */
  give({ buffer }: { buffer: ArrayBufferLike }): void {
    const own = this.rented.get(buffer)
    if (!own) return
    this.rented.delete(buffer)
    if (this.free.length < mostFree) this.free.push(own)
  }
}

const mostFree = 16

/** Memory for bytes that live shortly, used again and again: fresh memory for each costs page faults, and the collector
 *  counts it and runs. */
export class BufferPool {
  private readonly free: Buffer[] = []
  private readonly rented = new Map<ArrayBufferLike, Buffer>()

  /** `length` bytes that hold anything; `give` them back when nobody reads them any more. */
  rent(length: number): Uint8Array {
    const at = this.free.findIndex(buffer => buffer.length >= length)
    const buffer = at >= 0 ? this.free.splice(at, 1)[0]! : Buffer.allocUnsafeSlow(Math.ceil(length * 1.25))
    this.rented.set(buffer.buffer, buffer)
    return buffer.subarray(0, length)
  }

  /** Takes back what `rent` gave, or a part of it; anything else is left alone. */
  give({ buffer }: { buffer: ArrayBufferLike }): void {
    const own = this.rented.get(buffer)
    if (!own) return
    this.rented.delete(buffer)
    if (this.free.length < mostFree) this.free.push(own)
  }
}

const mostFree = 16

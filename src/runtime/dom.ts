// What the runtime uses of a browser, so that its types need no DOM library.

/** An `ImageBitmap`. */
export interface BitmapLike {
  readonly width: number
  readonly height: number
  close(): void
}
/** An `HTMLCanvasElement` or `OffscreenCanvas`. */
export interface CanvasLike {
  width: number
  height: number
  getContext(kind: '2d', options?: object): unknown
}
/** An `HTMLImageElement`. */
export interface ImageLike {
  readonly naturalWidth: number
  readonly naturalHeight: number
  readonly currentSrc: string
  decode(): Promise<void>
}
/** An `HTMLVideoElement`. */
export interface VideoLike {
  readonly videoWidth: number
  readonly videoHeight: number
  readonly readyState: number
}
/** A `VideoFrame`. */
export interface FrameLike {
  readonly displayWidth: number
  readonly displayHeight: number
  close(): void
}

/** What a 2D context can do that is used here. */
export interface Context {
  fillStyle: unknown
  fillRect(x: number, y: number, width: number, height: number): void
  drawImage(
    image: object,
    ...box: [sx: number, sy: number, sw: number, sh: number, x: number, y: number, w: number, h: number]
  ): void
  getImageData(x: number, y: number, width: number, height: number): { data: Uint8ClampedArray }
}

/** Globals of a browser, each of which may be missing. */
export interface Scope {
  createImageBitmap?(source: object, options?: object): Promise<BitmapLike>
  OffscreenCanvas?: new (width: number, height: number) => CanvasLike
  document?: { createElement(name: 'canvas'): CanvasLike }
  Blob: new (parts: readonly unknown[]) => object
  location?: { href: string }
  crossOriginIsolated?: boolean
  navigator?: { hardwareConcurrency?: number; gpu?: unknown }
  performance?: { getEntriesByType?(type: 'resource'): readonly { name: string }[] }
  fetch(url: string): Promise<{
    ok: boolean
    status: number
    headers: { get(name: string): string | null }
    arrayBuffer(): Promise<ArrayBuffer>
  }>
}

/** The globals here. */
export const scope = globalThis as unknown as Scope

interface Readable {
  pipeThrough(by: object): Readable
  getReader(): { read(): Promise<{ value?: Uint8Array<ArrayBuffer> }>; cancel(): Promise<void> }
}
/** Globals that decompress. */
export interface InflaterScope extends Scope {
  Blob: new (parts: readonly unknown[]) => { stream(): Readable }
  DecompressionStream: new (format: 'deflate') => object
}

export function lacking(sources: string): string | undefined
export function isFetched(): boolean
export function emulated(
  cpu: string,
  report?: (notice: object) => void,
): Promise<{ command: string; args: string[]; env: NodeJS.ProcessEnv }>

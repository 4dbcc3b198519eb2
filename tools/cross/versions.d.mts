export function newer(a: string, b: string): boolean
export function versionsIn(printed: string): Partial<Record<'GLIBC' | 'GLIBCXX' | 'CXXABI' | 'GOMP', string>>

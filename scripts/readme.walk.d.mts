export interface Surroundings {
  base: string;
  env: NodeJS.ProcessEnv;
  replacements?: Record<string, () => string | Promise<string>>;
  file?: string;
  limitMs?: number;
}
export function followReadme(root: string, heading: string, surroundings: Surroundings): Promise<void>;

export interface Variable {
  name: string;
  /** Shown in `.env.example`; empty means "unset". */
  example: string;
  allowed: string;
  about: string;
}

/** The environment is wrong; the message says in which variables and how. */
export class EnvError extends Error {
  constructor(readonly problems: string[]) {
    super(`The environment is not usable:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'EnvError';
  }
}

/** Reads variables by kind and collects what is wrong with them, so that all of it can be said at once. */
export class EnvReader {
  readonly problems: string[] = [];

  constructor(
    private readonly source: NodeJS.ProcessEnv,
    private readonly variables: readonly Variable[],
  ) {}

  /** @returns undefined for one that is unset or blank */
  text(name: string): string | undefined {
    return this.source[name]?.trim() || undefined;
  }

  integer(name: string, fallback: number, min: number, max: number): number {
    const value = this.text(name);
    if (value === undefined) return fallback;
    if (/^\d{1,9}$/.test(value) && Number(value) >= min && Number(value) <= max) return Number(value);
    this.wrong(name);
    return fallback;
  }

  url(name: string, protocols: string[]): string | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    if (URL.canParse(value) && protocols.includes(new URL(value).protocol)) return value;
    this.wrong(name);
    return undefined;
  }

  oneOf<T extends string>(name: string, values: readonly T[], fallback: T): T {
    const value = this.text(name);
    if (value === undefined) return fallback;
    const known = values.find((candidate) => candidate === value);
    if (known === undefined) this.wrong(name);
    return known ?? fallback;
  }

  onOrOff(name: string, fallback: boolean): boolean {
    const value = this.oneOf(name, ['on', 'off', 'true', 'false', '1', '0'], fallback ? 'on' : 'off');
    return ['on', 'true', '1'].includes(value);
  }

  /** Separated by commas, without the empty ones. */
  list(name: string): string[] {
    return (this.text(name) ?? '')
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '');
  }

  /** Says that a variable has a value that is not allowed, and what is. */
  wrong(name: string): void {
    const variable = this.variables.find((candidate) => candidate.name === name);
    // A key or a URL with a password must not reach a screen, least of all when it does not parse.
    const shown = /KEY|PASSWORD$|DATABASE|SMTP|ENDPOINT|REDIS|MODEL_BASE/.test(name) ? '***' : (this.text(name) ?? '');
    this.problem(`${name}="${shown}" is not allowed; use ${variable?.allowed ?? 'another value'}.`);
  }

  /** Says what is wrong with several variables together. */
  problem(text: string): void {
    this.problems.push(text);
  }
}

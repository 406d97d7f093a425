import { createInterface } from 'node:readline/promises';
import { SingleBar } from 'cli-progress';

/** Whoever read our output has gone, as `head` does. Nobody needs to hear of it. */
export class OutputClosed extends Error {}

/** How far long work is; ends as a line, a bar or nothing, by who looks on. */
export interface Progress {
  /** @param line for where no bar can be; undefined: nothing worth a line */
  update(done: number, total: number, text: string, line?: string): void;
  end(): void;
}

/** Results go to standard output, for people or as JSON; all else to standard error. */
export class Terminal {
  private bar: SingleBar | undefined;

  constructor(
    readonly json: boolean,
    /** Aborted by the first Ctrl-C. */
    readonly interrupted: AbortSignal,
  ) {}

  /** @throws OutputClosed */
  async print(text: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      process.stdout.write(text, (error) => {
        if (!error) resolve();
        else reject((error as NodeJS.ErrnoException).code === 'EPIPE' ? new OutputClosed() : error);
      });
    });
  }

  /** @param lines what people read @param view what programs read */
  async show(lines: () => string[], view: unknown): Promise<void> {
    await this.print(this.json ? `${JSON.stringify(view, null, 2)}\n` : `${lines().join('\n')}\n`);
  }

  /** A remark beside the result. */
  note(text: string): void {
    this.bar?.stop();
    process.stderr.write(`${text}\n`);
  }

  /** @returns undefined when nobody is there to answer */
  async confirm(question: string): Promise<boolean | undefined> {
    if (this.json || !process.stdin.isTTY || !process.stderr.isTTY) return undefined;
    const dialogue = createInterface({ input: process.stdin, output: process.stderr });
    try {
      const answer = await dialogue.question(`${question} [y/N] `, { signal: this.interrupted });
      return /^y(es)?$/i.test(answer.trim());
    } catch {
      return false;
    } finally {
      dialogue.close();
    }
  }

  progress(): Progress {
    if (!process.stderr.isTTY) {
      return { update: (_done, _total, _text, line) => line !== undefined && this.note(line), end: () => undefined };
    }
    const bar = new SingleBar({
      stream: process.stderr,
      format: ' {bar} {value}/{total} {text}',
      barCompleteChar: '█',
      barIncompleteChar: '░',
      hideCursor: false,
      clearOnComplete: true,
      stopOnComplete: false,
    });
    this.bar = bar;
    return {
      update: (done, total, text) => {
        if (!bar.isActive) bar.start(total, done, { text });
        bar.setTotal(total);
        bar.update(done, { text });
      },
      end: () => {
        bar.stop();
        this.bar = undefined;
      },
    };
  }
}

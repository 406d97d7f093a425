import type { Completion, ModelProvider, ModelRequest } from './model.provider.js';

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** The demo's models: no network, replies told by the tenant's welcome and slug. */
export class MockModelProvider implements ModelProvider {
  readonly remembers = false;
  readonly instant = true;

  supports(model: string): boolean {
    return isMock(model);
  }

  isOwn(): boolean {
    return false;
  }

  complete({ model, message, tenant }: ModelRequest): Promise<Completion> {
    const text = message.trim();
    const head = `${tenant.welcome} [${tenant.slug.toUpperCase()} MOCK]`;
    switch (model) {
      case 'mock-1':
        return said(`${head} You said: '${text}'. Here's it reversed: '${reverse(text)}'`);
      case 'mock-2':
        return said(`${head} Echo: ${text.toUpperCase()}`);
      default:
        return said(`${head} Got it. '${text}'. (pretend-smart summary).`);
    }
  }
}

export function isMock(model: string): boolean {
  return model === 'mock' || model.startsWith('mock-');
}

function said(reply: string): Promise<Completion> {
  return Promise.resolve({ reply, mock: true });
}

/** By grapheme, so that emoji and combining marks survive (UAX #29). */
export function reverse(text: string): string {
  // Segmenting is slow and printable ASCII has no clusters.
  if (/^[\x20-\x7e]*$/.test(text)) return [...text].reverse().join('');
  return Array.from(graphemes.segment(text), (part) => part.segment)
    .reverse()
    .join('');
}

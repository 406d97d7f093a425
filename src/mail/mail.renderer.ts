import { Injectable } from '@nestjs/common';
import { Liquid, type Template } from 'liquidjs';
import { type Branding, mailtoOf } from '../branding/index.js';
import { oneLine } from './mail.address.js';
import { HTML_LAYOUT, TEXT_LAYOUT } from './mail.layout.js';
import { MAIL_TEMPLATES, type MailData, type MailTemplate } from './mail.templates.js';
import type { EmbeddedPicture } from './mail.transport.js';
import type { MailText } from './templates/mail.text.js';

/** What a mail is made of; as it travels through the outbox. */
export interface MailContent<T extends MailTemplate = MailTemplate> {
  template: T;
  data: MailData[T];
  links: { action?: string };
}

export interface RenderedMail {
  subject: string;
  text: string;
  html: string;
}

const MAX_TEXT = 300;
const STRICT = { strictVariables: true, strictFilters: true, ownPropertyOnly: true } as const;

interface Parsed {
  subject: Template[];
  heading: Template[];
  paragraphs: Template[][];
  button: Template[];
  closing: Template[];
}

/** Renders both parts of a mail: the same texts, plain in one and escaped in the other. */
@Injectable()
export class MailRenderer {
  private readonly plain = new Liquid(STRICT);
  private readonly escaped = new Liquid({ ...STRICT, outputEscape: 'escape' });
  private readonly htmlLayout = this.escaped.parse(HTML_LAYOUT);
  private readonly textLayout = this.plain.parse(TEXT_LAYOUT);
  private readonly templates = new Map(
    Object.entries(MAIL_TEMPLATES).map(([name, text]) => [name, { text, parsed: this.parse(text) }]),
  );

  /**
   * @param branding of whose mail it is
   * @param logo that goes along
   * @throws Error when a datum that the template needs is missing
   */
  render({ template, data, links }: MailContent, branding: Branding, logo?: EmbeddedPicture): RenderedMail {
    const found = this.templates.get(template);
    if (!found) throw new Error(`There is no mail template ${template}.`);
    const { text, parsed } = found;
    if (text.button && !links.action) throw new Error(`The mail ${template} needs a link.`);
    const scope: Record<string, unknown> = { ...clean(data), brand: branding.name };
    const facts = (text.facts ?? []).flatMap(([label, datum]) =>
      scope[datum] ? [{ label, value: scope[datum] }] : [],
    );
    // The layout's own output is escaped, so what it takes is plain text for either part.
    const say = (part: Template[]): string => this.plain.renderSync(part, scope) as string;
    const view = {
      brand: branding.name,
      color: branding,
      logo: logo ? pictureOf(logo) : null,
      support: supportOf(branding),
      heading: say(parsed.heading),
      paragraphs: parsed.paragraphs.map(say),
      closing: say(parsed.closing),
      button: say(parsed.button),
      link: links.action ?? '',
      facts,
      tenants: scope['tenants'] ?? [],
    };
    return {
      subject: oneLine(say(parsed.subject), 200),
      text: this.plain.renderSync(this.textLayout, view) as string,
      html: this.escaped.renderSync(this.htmlLayout, view) as string,
    };
  }

  private parse(text: MailText): Parsed {
    return {
      subject: this.plain.parse(text.subject),
      heading: this.plain.parse(text.heading),
      paragraphs: text.paragraphs.map((paragraph) => this.plain.parse(paragraph)),
      button: this.plain.parse(text.button ?? ''),
      closing: this.plain.parse(text.closing),
    };
  }
}

/** Names and reasons come from people: each stays on its line, and none can pass for a paragraph of the mail. */
function clean(data: object): Record<string, unknown> {
  const entries = Object.entries(data) as [string, unknown][];
  return Object.fromEntries(
    entries.map(([key, value]) => {
      if (key === 'url') return [key, value];
      if (typeof value === 'string') return [key, oneLine(value, MAX_TEXT)];
      if (Array.isArray(value)) return [key, value.map((item: object) => clean(item))];
      return [key, value];
    }),
  );
}

/** Within these bounds a logo is shown, in pixels, never enlarged. */
const LOGO_BOX = { width: 240, height: 64 };

function pictureOf({ cid, width, height }: EmbeddedPicture) {
  const scale = Math.min(1, LOGO_BOX.width / width, LOGO_BOX.height / height);
  const shown = (pixels: number) => Math.max(1, Math.round(pixels * scale));
  return { source: `cid:${cid}`, width: shown(width), height: shown(height) };
}

function supportOf({ supportAddress: address, supportUrl: url }: Branding) {
  return { address, mailto: address && mailtoOf(address), url, any: address !== '' || url !== '' };
}

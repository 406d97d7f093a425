import { Liquid } from 'liquidjs';
import { type Branding, mailtoOf } from './branding.js';
import type { LogoSummary } from './brand.logos.js';

/** What the headers of such a page say of what it may load: its own logo, and nothing runs. */
export const PAGE_POLICY =
  "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const TEXT = 'margin:0 0 16px;font-size:17px;line-height:26px;white-space:pre-line;overflow-wrap:anywhere';

/** Every output is escaped by the engine; colours are of six digits, or their setting would not have them. */
const LAYOUT = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>{{ name }}</title>
</head>
<body style="margin:0;background:#ffffff;color:#1f2328;font-family:-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif">
<header style="height:6px;background:{{ color.primaryColor }}"></header>
<main style="max-width:560px;margin:0 auto;padding:48px 24px">
{%- if logo %}
<img src="{{ logo.url }}" alt="" width="{{ logo.width }}" height="{{ logo.height }}" style="display:block;max-width:240px;max-height:80px;width:auto;height:auto;margin:0 0 16px">
{%- endif %}
<h1 style="margin:0 0 16px;font-size:28px;line-height:36px;overflow-wrap:anywhere">{{ name }}</h1>
{%- for paragraph in paragraphs %}
<p style="${TEXT}">{{ paragraph }}</p>
{%- endfor %}
{%- if address != "" or url != "" %}
<footer style="margin:32px 0 0;padding:16px 0 0;border-top:1px solid {{ color.accentColor }};font-size:15px;line-height:22px;color:#57606a">Questions?
{%- if address != "" %} Write to <a href="{{ mailto }}" style="color:{{ color.linkColor }}">{{ address }}</a>.{% endif %}
{%- if url != "" %} Help is at <a href="{{ url }}" rel="noreferrer" style="color:{{ color.linkColor }};word-break:break-all">{{ url }}</a>.{% endif %}</footer>
{%- endif %}
</main>
</body>
</html>
`;

const engine = new Liquid({ strictVariables: true, ownPropertyOnly: true, outputEscape: 'escape' });
const layout = engine.parse(LAYOUT);

/**
 * A page in the looks of a tenant, to be sent with {@link PAGE_POLICY}.
 *
 * @param paragraphs plain texts
 * @param logo with the address of its picture, on the same origin
 */
export function brandPage(
  branding: Branding,
  paragraphs: string[],
  logo: (Pick<LogoSummary, 'width' | 'height'> & { url: string }) | null,
): string {
  const { name, supportAddress: address, supportUrl: url } = branding;
  const mailto = address && mailtoOf(address);
  return engine.renderSync(layout, { name, color: branding, logo, paragraphs, address, mailto, url }) as string;
}

const FONT = "font-family:-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";
const TEXT = 'margin:0 0 16px;font-size:16px;line-height:24px;color:#1f2328';
const SMALL = 'margin:0 0 8px;font-size:13px;line-height:20px;color:#57606a';

/**
 * Inline styles only and nothing loaded from outside: a logo comes along in the mail. Every output is escaped by the engine;
 * colours are of six digits, or their setting would not have them.
 */
export const HTML_LAYOUT = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light">
<title>{{ heading }}</title>
</head>
<body style="margin:0;padding:0;background:#ffffff;${FONT}">
<div role="article" lang="en" style="max-width:560px;margin:0 auto;padding:32px 24px">
<div style="margin:0 0 24px;padding:0 0 16px;border-bottom:2px solid {{ color.accentColor }};font-size:15px;line-height:20px;font-weight:600;color:#1f2328">
{%- if logo %}<img src="{{ logo.source }}" alt="" width="{{ logo.width }}" height="{{ logo.height }}" style="display:block;margin:0 0 8px;border:0">{% endif -%}
{{ brand }}</div>
<h1 style="margin:0 0 16px;font-size:24px;line-height:32px;font-weight:600;color:#1f2328">{{ heading }}</h1>
{%- for paragraph in paragraphs %}
<p style="${TEXT}">{{ paragraph }}</p>
{%- endfor %}
{%- if facts.size > 0 %}
<table style="margin:0 0 16px;border-collapse:collapse;font-size:15px;line-height:22px">
{%- for fact in facts %}
<tr><th scope="row" style="padding:4px 16px 4px 0;text-align:left;vertical-align:top;font-weight:400;color:#57606a">{{ fact.label }}</th><td style="padding:4px 0;color:#1f2328">{{ fact.value }}</td></tr>
{%- endfor %}
</table>
{%- endif %}
{%- if tenants.size > 0 %}
<ul style="margin:0 0 16px;padding:0 0 0 20px;font-size:16px;line-height:28px;color:#1f2328">
{%- for tenant in tenants %}
<li><a href="{{ tenant.url }}" style="color:{{ color.linkColor }}">{{ tenant.name }}</a></li>
{%- endfor %}
</ul>
{%- endif %}
{%- if link != "" %}
<p style="margin:24px 0"><a href="{{ link }}" style="display:inline-block;padding:12px 24px;border-radius:6px;background:{{ color.primaryColor }};color:{{ color.onPrimaryColor }};font-size:16px;line-height:24px;font-weight:600;text-decoration:none">{{ button }}</a></p>
<p style="${SMALL}">If the button does not work, copy this address into your browser:<br><a href="{{ link }}" style="color:{{ color.linkColor }};word-break:break-all">{{ link }}</a></p>
{%- endif %}
<p style="margin:24px 0 0;padding:16px 0 0;border-top:1px solid {{ color.accentColor }};font-size:13px;line-height:20px;color:#57606a">{{ closing }}</p>
{%- if support.any %}
<p style="margin:8px 0 0;font-size:13px;line-height:20px;color:#57606a">Questions?
{%- if support.address != "" %} Write to <a href="{{ support.mailto }}" style="color:{{ color.linkColor }}">{{ support.address }}</a>.{% endif %}
{%- if support.url != "" %} Help is at <a href="{{ support.url }}" style="color:{{ color.linkColor }};word-break:break-all">{{ support.url }}</a>.{% endif %}</p>
{%- endif %}
</div>
</body>
</html>
`;

export const TEXT_LAYOUT = `{{ brand }}

{{ heading }}
{% for paragraph in paragraphs %}
{{ paragraph }}
{% endfor %}
{%- for fact in facts %}
{{ fact.label }}: {{ fact.value }}
{%- endfor %}
{%- for tenant in tenants %}
- {{ tenant.name }}: {{ tenant.url }}
{%- endfor %}
{% if link != "" %}
{{ button }}:
{{ link }}
{% endif %}
--
{{ closing }}
{%- if support.any %}

Questions?
{%- if support.address != "" %} Write to {{ support.address }}.{% endif %}
{%- if support.url != "" %} Help is at {{ support.url }}.{% endif %}
{%- endif %}
`;

// Plots as SVG documents, without a library: what they show is a handful of bars or lines.
const COLOURS = ['#1f6feb', '#d1242f', '#1a7f37', '#9a6700'];

const text = (x, y, said, more = '') => `<text x="${x}" y="${y}" ${more}>${escaped(said)}</text>`;
const escaped = (said) => String(said).replace(/&/g, '&amp;').replace(/</g, '&lt;');

function page(width, height, title, parts) {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="13">` +
    `<rect width="${width}" height="${height}" fill="#fff"/>${text(20, 26, title, 'font-size="15"')}${parts.join('')}</svg>\n`
  );
}

/** @param bars each with a name and a value @param said what stands behind a bar */
export function bars(title, bars, said) {
  const [left, width, step] = [200, 720, 24];
  const most = Math.max(...bars.map(({ value }) => value), Number.MIN_VALUE);
  const parts = bars.flatMap(({ name, value }, at) => {
    const y = 48 + at * step;
    const length = Math.max(1, (value / most) * (width - left - 120));
    return [
      text(left - 8, y + 13, name, 'text-anchor="end"'),
      `<rect x="${left}" y="${y}" width="${length.toFixed(1)}" height="${step - 8}" fill="${COLOURS[0]}"/>`,
      text(left + length + 6, y + 13, said(value)),
    ];
  });
  return page(width, 60 + bars.length * step, title, parts);
}

/** Each bar begins where the one before it ends: parts of a whole. */
export function waterfall(title, steps, said) {
  const [left, width, step] = [200, 720, 24];
  const all = steps.reduce((sum, { value }) => sum + value, 0) || 1;
  const scale = (width - left - 120) / all;
  let from = 0;
  const parts = steps.flatMap(({ name, value }, at) => {
    const y = 48 + at * step;
    const x = left + from * scale;
    from += value;
    return [
      text(left - 8, y + 13, name, 'text-anchor="end"'),
      `<rect x="${x.toFixed(1)}" y="${y}" width="${Math.max(1, value * scale).toFixed(1)}" height="${step - 8}" fill="${COLOURS[0]}"/>`,
      text(x + value * scale + 6, y + 13, said(value)),
    ];
  });
  return page(width, 60 + steps.length * step, title, parts);
}

const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;

/**
 * The share of requests that were answered within a time, which grows by powers of ten to the right.
 *
 * @param curves each with a name and its times in ms, sorted
 */
export function distribution(title, axis, curves) {
  const [width, height, left, top, right, bottom] = [720, 420, 60, 50, 20, 50];
  const all = curves.flatMap(({ times }) => [times[0] ?? 1, times.at(-1) ?? 1]);
  const low = Math.floor(Math.log10(Math.max(0.01, Math.min(...all))));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...all))));
  const x = (ms) => left + ((Math.log10(Math.max(ms, 10 ** low)) - low) / (high - low)) * (width - left - right);
  const y = (share) => height - bottom - share * (height - top - bottom);
  const parts = [];
  for (let power = low; power <= high; power++) {
    const px = x(10 ** power).toFixed(1);
    parts.push(`<path d="M${px} ${top}V${height - bottom}" stroke="#ddd"/>`);
    parts.push(text(px, height - bottom + 18, `${Number((10 ** power).toPrecision(1))} ms`, 'text-anchor="middle"'));
  }
  for (const share of [0, 0.25, 0.5, 0.75, 0.99]) {
    const py = y(share).toFixed(1);
    parts.push(`<path d="M${left} ${py}H${width - right}" stroke="#ddd"/>`);
    parts.push(text(left - 6, Number(py) + 4, `${share * 100} %`, 'text-anchor="end"'));
  }
  curves.forEach(({ name, times }, index) => {
    const steps = Array.from({ length: 401 }, (_, n) => n / 400);
    const points = steps.map((share) => `${x(at(times, share)).toFixed(1)},${y(share).toFixed(1)}`);
    parts.push(`<polyline points="${points.join(' ')}" fill="none" stroke="${COLOURS[index]}" stroke-width="2"/>`);
    const said = `${name}: p99 ${at(times, 0.99).toFixed(2)} ms`;
    parts.push(text(left + 10, top + 18 + 18 * index, said, `fill="${COLOURS[index]}"`));
  });
  parts.push(text(width / 2, height - 10, axis, 'text-anchor="middle"'));
  return page(width, height, title, parts);
}

import { LRUCache } from 'lru-cache';
import type { SettingLayers } from '../tenancy/index.js';

/** SQL for what the row `t` of `tenants` inherits, as text: {@link layersOf} reads it. */
export const INHERITED_SETTINGS = `jsonb_build_object(
    'plan', (SELECT p.settings FROM plans p WHERE p.name = t.plan),
    'platform', (SELECT s.settings FROM platform_settings s))::text`;

const known = new LRUCache<string, SettingLayers>({ max: 100 });

/** The same object for the same text, so that tenants of one plan share what they inherit. */
export function layersOf(text: string): SettingLayers {
  let layers = known.get(text);
  if (!layers) {
    layers = Object.freeze(JSON.parse(text) as SettingLayers);
    known.set(text, layers);
  }
  return layers;
}

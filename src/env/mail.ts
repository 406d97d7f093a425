/** Nothing but user, password, host and port: an option that is silently ignored would be worse than one refused. */
export function isSmtpUrl(text: string): boolean {
  const url = new URL(text);
  try {
    decodeURIComponent(url.username + url.password);
  } catch {
    return false;
  }
  return url.hostname !== '' && /^\/?$/.test(url.pathname) && url.search === '' && url.hash === '';
}

/** @returns undefined when it is neither an address nor `Name <address>` */
export function parseSender(text: string): { name: string; address: string } | undefined {
  const match = /^(?:"?([^"<>\p{Cc}]{0,100}?)"?\s*<([^<>]+)>|([^<>]+))$/u.exec(text);
  const address = match?.[2] ?? match?.[3] ?? '';
  const shape = /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/;
  return shape.test(address) ? { name: match?.[1]?.trim() ?? '', address } : undefined;
}

/** The domain that mail of this service comes from unless told otherwise. */
export function mailHost(publicUrl: string): string {
  const host = new URL(publicUrl).hostname;
  return /^[\d.]+$|^\[/.test(host) ? 'localhost' : host;
}

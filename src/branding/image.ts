export const MAX_LOGO_BYTES = 256 * 1024;
/** In pixels: a small file can unfold to more than a viewer bears. */
export const MAX_LOGO_SIDE = 4096;

/** Of a picture, in pixels. */
export interface Size {
  width: number;
  height: number;
}

/** Pictures that a logo can be, by media type, with the ending of their files. */
export const LOGO_TYPES: Readonly<Record<string, string>> = {
  'image/png': 'png',
  'image/jpeg': 'jpg',
  'image/webp': 'webp',
  'image/gif': 'gif',
};

/**
 * How large a picture says that it is; its pixels are not looked at.
 *
 * @param type as its own bytes tell
 * @returns undefined when it does not say, or breaks off before
 */
export function sizeOf(type: string, bytes: Buffer): Size | undefined {
  try {
    const size = READERS[type]?.(bytes);
    return size && size.width > 0 && size.height > 0 ? size : undefined;
  } catch (error) {
    // Reads beyond the end.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

const READERS: Record<string, (bytes: Buffer) => Size | undefined> = {
  // Portable Network Graphics, third edition, section 11.2.1: IHDR comes first.
  'image/png': (bytes) =>
    bytes.toString('latin1', 12, 16) === 'IHDR'
      ? { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) }
      : undefined,
  // GIF89a, section 18: the logical screen.
  'image/gif': (bytes) => ({ width: bytes.readUInt16LE(6), height: bytes.readUInt16LE(8) }),
  'image/jpeg': jpegSize,
  'image/webp': webpSize,
};

/** ITU-T T.81, annex B: segments, each with its length, until that of the frame. */
function jpegSize(bytes: Buffer): Size | undefined {
  let at = 2;
  for (;;) {
    if (bytes.readUInt8(at) !== 0xff) return undefined;
    const marker = bytes.readUInt8(at + 1);
    // Fill bytes may come before a marker.
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (isFrame) return { height: bytes.readUInt16BE(at + 5), width: bytes.readUInt16BE(at + 7) };
    // Start of scan, end of image: no frame came before.
    if (marker === 0xda || marker === 0xd9) return undefined;
    at += 2 + bytes.readUInt16BE(at + 2);
  }
}

/** RFC 9649, sections 2.5 to 2.7. */
function webpSize(bytes: Buffer): Size | undefined {
  switch (bytes.toString('latin1', 12, 16)) {
    case 'VP8 ':
      return { width: bytes.readUInt16LE(26) & 0x3fff, height: bytes.readUInt16LE(28) & 0x3fff };
    case 'VP8L': {
      const bits = bytes.readUInt32LE(21);
      return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
    }
    case 'VP8X':
      return { width: bytes.readUIntLE(24, 3) + 1, height: bytes.readUIntLE(27, 3) + 1 };
    default:
      return undefined;
  }
}

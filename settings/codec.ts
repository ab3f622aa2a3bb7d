/** Settings of the codec server, which reads payloads to people for Temporal's Web UI. */
import { origins, port } from './addresses.ts';

export const codecShape = {
  CODEC_PORT: port.default(3001),
  /** Whose pages may ask: those of the Web UI. */
  CODEC_ORIGINS: origins.default([]),
};

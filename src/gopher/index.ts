export { type GopherOptions, type GopherProgress, GopherResponse, gopher, gopherAttributes } from './client.ts';
export {
  type GopherAttributes,
  type GopherItem,
  type GopherKind,
  type GopherQuestion,
  type GopherView,
  type NewGopherItem,
  formatGopherItem,
  gopherKind,
  parseGopherMenu,
} from './codec.ts';
export { type ServeGopherOptions, serveGopher } from './serve.ts';
export { type GopherDocument, type GopherHandler, type GopherSiteOptions } from './site.ts';
export { type GopherUrl, formatGopherUrl, parseGopherUrl } from './url.ts';

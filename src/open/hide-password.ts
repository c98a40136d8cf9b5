/** A URL as it may be shown. */
export const hidePassword = (url: string): string => url.replace(/^([a-z0-9+.-]+:\/\/[^/?#:@]*):[^/?#]*@/i, '$1@');

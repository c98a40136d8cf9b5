/** The server says that it has not looked at the request: it may be sent again, whatever it is. @see RFC 9113 section 8.7 */
export class RefusedStream extends Error {}

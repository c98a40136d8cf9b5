import { ProtocolError, ReplyError, messageOf } from '../errors.ts';
import { HttpClient } from './client.ts';
import { HttpFields } from './fields.ts';
import type { HttpClientOptions, HttpRequestOptions } from './options.ts';
import {
  type XmlRpcMessage,
  type XmlRpcValue,
  encodeXmlRpcCall,
  encodeXmlRpcFault,
  encodeXmlRpcResult,
  parseXmlRpc,
} from './xml-rpc-codec.ts';

export type XmlRpcCallOptions = Pick<HttpRequestOptions, 'signal' | 'timeoutMs' | 'headers'>;

/** Methods by name, as functions: `methods.system.listMethods()`. */
export type XmlRpcMethods = {
  readonly [name: string]: XmlRpcMethods & ((...parameters: XmlRpcValue[]) => Promise<XmlRpcValue>);
};

const MAX_RESPONSE_BYTES = 16 * 1024 * 1024;

/**
 * A server of XML-RPC. A fault is a ReplyError whose reply has the fault's code and text; the status is checked before anything is parsed.
 *
 * @see http://xmlrpc.com/spec.md
 */
export class XmlRpcClient<Methods = XmlRpcMethods> implements AsyncDisposable {
  readonly #url: string;
  readonly #http: HttpClient;
  /** The server's methods, to be called as if they were here. */
  readonly methods: Methods;

  constructor(url: string, options: HttpClientOptions = {}) {
    this.#url = url;
    this.#http = new HttpClient(options);
    this.methods = this.#proxy('') as Methods;
  }

  async call(
    method: string,
    parameters: readonly unknown[] = [],
    options: XmlRpcCallOptions = {},
  ): Promise<XmlRpcValue> {
    const message = await this.#post(encodeXmlRpcCall(method, parameters), options);
    if (message.kind === 'result') return message.value;
    if (message.kind === 'call')
      throw new ProtocolError(`the server answered ${method} with a call`, { protocol: 'HTTP', reason: 'BAD_XML_RPC' });
    throw faultError(method, message);
  }

  /** Many calls in one; each is its result, or the ReplyError of its fault. */
  async multicall(
    calls: readonly (readonly [method: string, ...parameters: unknown[]])[],
    options: XmlRpcCallOptions = {},
  ): Promise<(XmlRpcValue | ReplyError)[]> {
    const structs = calls.map(([methodName, ...params]) => ({ methodName, params }));
    const results = await this.call('system.multicall', [structs], options);
    return (Array.isArray(results) ? (results as XmlRpcValue[]) : []).map((result, index) => {
      // A result is a list of one; a fault is a struct.
      if (Array.isArray(result)) return (result as XmlRpcValue[])[0] ?? null;
      const { faultCode, faultString } = result as { faultCode?: unknown; faultString?: unknown };
      return faultError(calls[index]?.[0] ?? '', {
        code: typeof faultCode === 'number' ? faultCode : 0,
        text: typeof faultString === 'string' ? faultString : '',
      });
    });
  }

  /** The names of the server's methods, where it tells. */
  async listMethods(options?: XmlRpcCallOptions): Promise<string[]> {
    return (await this.call('system.listMethods', [], options)) as string[];
  }

  async methodHelp(method: string, options?: XmlRpcCallOptions): Promise<string> {
    return (await this.call('system.methodHelp', [method], options)) as string;
  }

  async methodSignature(method: string, options?: XmlRpcCallOptions): Promise<XmlRpcValue> {
    return this.call('system.methodSignature', [method], options);
  }

  async close(): Promise<void> {
    await this.#http.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #post(body: string, options: XmlRpcCallOptions): Promise<XmlRpcMessage> {
    const headers = new HttpFields(options.headers).set('Content-Type', 'text/xml');
    const response = await this.#http.post(this.#url, { ...options, body, headers });
    await response.expectOk();
    return parseXmlRpc(await response.text(MAX_RESPONSE_BYTES));
  }

  #proxy(path: string): unknown {
    return new Proxy(() => undefined, {
      get: (_target, name) =>
        // A proxy with `then` would be taken for a promise.
        typeof name !== 'string' || name === 'then' ? undefined : this.#proxy(path === '' ? name : `${path}.${name}`),
      apply: (_target, _self, parameters: unknown[]) => this.call(path, parameters),
    });
  }
}

/** A client for the server at this URL. */
export const xmlRpc = <Methods = XmlRpcMethods>(url: string, options?: HttpClientOptions): XmlRpcClient<Methods> =>
  new XmlRpcClient<Methods>(url, options);

function faultError(method: string, fault: { code: number; text: string }): ReplyError {
  return new ReplyError(`XML-RPC ${method} failed: ${fault.code} ${fault.text}`, {
    protocol: 'HTTP',
    command: method,
    reply: { code: fault.code, text: fault.text },
  });
}

/** What a method of one's own may throw, to choose the fault. */
export class XmlRpcFault extends Error {
  readonly faultCode: number;
  constructor(faultCode: number, message: string) {
    super(message);
    this.faultCode = faultCode;
  }
}

export type XmlRpcHandlers = Readonly<Record<string, (...parameters: XmlRpcValue[]) => unknown>>;

/**
 * A server's half: takes the text of a call, and gives that of its answer. It knows `system.listMethods` and `system.multicall` too. What a
 * method throws is a fault; only an XmlRpcFault's words are told.
 */
export function xmlRpcDispatcher(handlers: XmlRpcHandlers): (call: string) => Promise<string> {
  const own = (name: string): XmlRpcHandlers[string] | undefined =>
    Object.hasOwn(handlers, name) ? handlers[name] : undefined;
  const perform = async (name: string, parameters: readonly XmlRpcValue[]): Promise<unknown> => {
    if (name === 'system.listMethods') return [...Object.keys(handlers), 'system.listMethods', 'system.multicall'];
    const handler = own(name);
    if (handler === undefined) throw new XmlRpcFault(-32601, `there is no method ${name}`);
    return (await handler(...parameters)) ?? null;
  };
  const fault = (error: unknown): { faultCode: number; faultString: string } =>
    error instanceof XmlRpcFault
      ? { faultCode: error.faultCode, faultString: messageOf(error) }
      : { faultCode: -32603, faultString: 'internal error' };
  const multicall = async (calls: XmlRpcValue | undefined): Promise<unknown[]> => {
    if (!Array.isArray(calls)) throw new XmlRpcFault(-32602, 'system.multicall takes a list');
    const results: unknown[] = [];
    for (const each of calls as { methodName?: unknown; params?: unknown }[]) {
      try {
        const { methodName, params } = each;
        if (typeof methodName !== 'string' || !Array.isArray(params)) throw new XmlRpcFault(-32602, 'not a call');
        results.push([await perform(methodName, params as XmlRpcValue[])]);
      } catch (error) {
        results.push(fault(error));
      }
    }
    return results;
  };
  return async (call) => {
    let message: XmlRpcMessage;
    try {
      message = parseXmlRpc(call);
    } catch (error) {
      return encodeXmlRpcFault(-32700, messageOf(error));
    }
    if (message.kind !== 'call') return encodeXmlRpcFault(-32600, 'that is not a call');
    try {
      const { method, parameters } = message;
      return encodeXmlRpcResult(
        method === 'system.multicall' ? await multicall(parameters[0]) : await perform(method, parameters),
      );
    } catch (error) {
      const { faultCode, faultString } = fault(error);
      return encodeXmlRpcFault(faultCode, faultString);
    }
  };
}

/**
 * Stands before a Temporal server as a cloud does: TLS, a client certificate of its authority, an API key. Whoever lacks
 * one of them gets what a real one answers; everything else goes on to the server.
 */
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Certificate } from './certificates.js';

export interface ProxySettings {
  /** `host:port` of the server behind it. */
  readonly to: string;
  readonly server: Certificate;
  /** Authority of client certificates; none are asked for without it. */
  readonly clientAuthority?: string;
  readonly apiKey?: string;
}

const unauthenticated = { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '16' };

export class TlsProxy {
  /** Common names of the client certificates of requests that went through, and how many those were. */
  readonly clients = new Set<string>();
  passed = 0;
  private readonly sessions = new Set<http2.Http2Session>();
  private upstream: http2.ClientHttp2Session | null = null;

  private constructor(
    private readonly settings: ProxySettings,
    private readonly listener: http2.Http2SecureServer
  ) {}

  static async start(settings: ProxySettings): Promise<TlsProxy> {
    const { server, clientAuthority } = settings;
    const listener = http2.createSecureServer({
      ...{ key: server.key, cert: server.cert },
      ...(clientAuthority ? { ca: clientAuthority, requestCert: true, rejectUnauthorized: true } : {}),
    });
    const proxy = new TlsProxy(settings, listener);
    listener.on('session', (session) => {
      proxy.sessions.add(session);
      session.on('close', () => proxy.sessions.delete(session)).on('error', () => undefined);
    });
    listener.on('stream', (stream, headers) => proxy.pass(stream, headers));
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get address(): string {
    return `localhost:${(this.listener.address() as AddressInfo).port}`;
  }

  async end(): Promise<void> {
    for (const session of this.sessions) session.destroy();
    this.upstream?.destroy();
    await new Promise((resolve) => this.listener.close(resolve));
  }

  private pass(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): void {
    stream.on('error', () => undefined);
    const { apiKey } = this.settings;
    const { authorization, ...others } = headers;
    if (apiKey !== undefined && authorization !== `Bearer ${apiKey}`) {
      stream.respond({ ...unauthenticated, 'grpc-message': 'Request unauthorized.' }, { endStream: true });
      stream.resume();
      return;
    }
    this.passed++;
    const { subject } = (stream.session?.socket as TLSSocket).getPeerCertificate();
    if (subject?.CN) this.clients.add(String(subject.CN));
    const request = this.server().request({ ...others, ':scheme': 'http', ':authority': this.settings.to });
    let trailers: http2.OutgoingHttpHeaders = {};
    request.on('response', (answered, flags) => {
      if (stream.destroyed) return;
      const endStream = (flags & http2.constants.NGHTTP2_FLAG_END_STREAM) !== 0;
      stream.respond(answered, endStream ? { endStream } : { waitForTrailers: true });
      if (!endStream) request.pipe(stream);
    });
    request.on('trailers', (found) => (trailers = found));
    stream.on('wantTrailers', () => stream.sendTrailers(withoutPseudo(trailers)));
    request.on('error', () => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR));
    stream.on('close', () => request.close(http2.constants.NGHTTP2_CANCEL));
    stream.pipe(request);
  }

  private server(): http2.ClientHttp2Session {
    if (!this.upstream || this.upstream.closed || this.upstream.destroyed) {
      this.upstream = http2.connect(`http://${this.settings.to}`);
      this.upstream.on('error', () => undefined);
    }
    return this.upstream;
  }
}

function withoutPseudo(headers: http2.OutgoingHttpHeaders): http2.OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith(':')));
}

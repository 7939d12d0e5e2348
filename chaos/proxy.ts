/** The road of one worker to the server, which can be cut. Listens on loopback alone. */
import net from 'node:net';

/** `hold`: nothing gets through, and nobody hears of it. `refuse`: connections break, and new ones are refused. */
export type Cut = 'hold' | 'refuse';

export class Proxy {
  private readonly pairs = new Set<readonly [net.Socket, net.Socket]>();
  private readonly server: net.Server;
  private readonly held = new Set<net.Socket>();
  /** How many cuts of each kind last. */
  private readonly cuts = { hold: 0, refuse: 0 };

  /** `target` says where the server is by now. */
  constructor(private readonly target: () => number) {
    this.server = net.createServer({ pauseOnConnect: true }, (socket) => {
      socket.on('error', () => undefined);
      if (this.cuts.refuse > 0) socket.destroy();
      else if (this.cuts.hold > 0) this.hold(socket);
      else this.join(socket);
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject).listen(0, '127.0.0.1', resolve);
    });
    return `127.0.0.1:${(this.server.address() as net.AddressInfo).port}`;
  }

  /** Cuts the road; the function that it gives mends this cut. */
  cut(how: Cut): () => void {
    this.cuts[how]++;
    for (const pair of this.pairs) {
      for (const socket of pair) {
        if (how === 'refuse') socket.destroy();
        else socket.pause();
      }
    }
    let mended = false;
    return () => {
      if (mended) return;
      mended = true;
      this.cuts[how]--;
      if (this.cuts.hold > 0) return;
      for (const pair of this.pairs) for (const socket of pair) socket.resume();
      for (const socket of this.held) this.join(socket);
      this.held.clear();
    };
  }

  close(): void {
    this.server.close();
    for (const socket of [...this.held, ...[...this.pairs].flat()]) socket.destroy();
  }

  private hold(socket: net.Socket): void {
    this.held.add(socket);
    socket.once('close', () => this.held.delete(socket));
  }

  private join(socket: net.Socket): void {
    const other = net.connect({ host: '127.0.0.1', port: this.target() });
    const pair = [socket, other] as const;
    this.pairs.add(pair);
    const over = () => {
      this.pairs.delete(pair);
      socket.destroy();
      other.destroy();
    };
    for (const [from, to] of [pair, [other, socket] as const]) {
      from.on('error', over).on('close', over);
      // Written by hand and not piped: a pipe would resume what a cut has paused.
      from.on('data', (chunk) => void to.write(chunk));
      from.on('end', () => to.end());
    }
    if (this.cuts.hold === 0) socket.resume();
    else for (const one of pair) one.pause();
  }
}

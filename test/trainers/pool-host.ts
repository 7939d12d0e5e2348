/** A stand-in for a worker: runs one trainer that has a child of its own, until it is killed. */
import { ProcessPool } from '../../trainers/process-pool.js';

const pool = new ProcessPool({ slots: 1 });
const command = ['/bin/sh', '-c', 'sleep 600 & echo "$$ $!"; trap "" TERM; wait'];
const env = { PATH: process.env['PATH'] ?? '' };
const lease = await pool.acquire({ command, cwd: '/', env, secrets: [] }, new AbortController().signal);
lease?.process.logTo({ write: (text) => process.stdout.write(text), full: false, room: () => Promise.resolve() });
setInterval(() => {}, 1000);

/** What the benchmarks say of the processes they ran. */
import { readFileSync } from 'node:fs';

/** Prints the most memory that each process has held so far. */
export function printPeaks(processes: Readonly<Record<string, number | null | undefined>>): void {
  for (const [name, pid] of Object.entries(processes)) {
    const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    console.log(`peak memory of the ${name}: ${Math.round(Number(peak) / 1024)} MB`);
  }
}

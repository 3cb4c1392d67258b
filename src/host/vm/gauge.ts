/**
 * What a machine has for VMs, and what of it is left at this moment.
 *
 * @module
 */
import type { MachineRoom, MachineSize } from "../../market/mod.ts";
import { type DiskSpace, openDiskGauge } from "../files.ts";
import { cpuCount, memoryAvailableBytes, memoryTotalBytes } from "../system.ts";

/** Looks at the machine. Sizes in bytes. */
export interface MachineGauge {
  /** What it has, of its disk what is free now. */
  size(): MachineSize;
  /** What is left for one more VM, with `promised` as what was promised to others and not taken yet. */
  roomLeft(promised: MachineRoom): MachineRoom;
}

/** A gauge of this machine, and of the disk on which `directory` lies. */
export async function openMachineGauge(directory: string): Promise<MachineGauge> {
  const gauge = await openDiskGauge(directory);
  const storageBytes = () => {
    const disk = gauge();
    return disk.freeBytes - diskFloor(disk);
  };
  return {
    size: () => ({
      cpus: cpuCount(),
      memoryBytes: memoryTotalBytes(),
      storageBytes: storageBytes(),
    }),
    roomLeft: (promised) => ({
      memoryBytes: memoryAvailableBytes() - memoryFloor() - promised.memoryBytes,
      storageBytes: storageBytes() - promised.storageBytes,
    }),
  };
}

/** Of the disk, this is not lent: a file system that is full to the brim serves nobody well. Guess. */
function diskFloor({ totalBytes }: DiskSpace): number {
  return Math.min(2 * 2 ** 30, Math.floor(totalBytes / 20));
}

/** Of the memory, this is not lent: what the system needs to breathe. Guess. */
function memoryFloor(): number {
  return Math.min(256 * 2 ** 20, Math.floor(memoryTotalBytes() / 16));
}

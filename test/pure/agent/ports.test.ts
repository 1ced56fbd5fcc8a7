import { describe, expect, test } from 'vitest';
import { choosePort, localPorts } from '../../../agent/ports.js';

// Lines as Linux 6.18 writes them.
const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     
   0: 00000000:07E8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1605 1 00000000f0d17815 100 0 0 10 0                      
  11: 0100007F:9804 0100007F:8907 06 00000000:00000000 03:00000D6C 00000000     0        0 0 3 000000008d4de9ce                                      
`;
const TCP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:7594 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 24612 1 00000000cc6d5a0d 100 0 0 10 0
`;

describe('the ports in use', () => {
  test('are those that listen and those of connections', () => {
    expect(localPorts(TCP)).toEqual([0x07e8, 0x9804]);
    expect(localPorts(TCP6)).toEqual([0x7594]);
    expect(localPorts('')).toEqual([]);
  });
});

describe('the port of Port=auto', () => {
  test('is from 20000 to 32000, wherever chance points', () => {
    expect(choosePort(new Set(), 0)).toBe(20_000);
    expect(choosePort(new Set(), 0.5)).toBe(26_000);
    expect(choosePort(new Set(), 1 - Number.EPSILON)).toBe(32_000);
  });

  test('is the next one where that is taken, from the last on to the first', () => {
    expect(choosePort(new Set([20_000, 20_001]), 0)).toBe(20_002);
    expect(choosePort(new Set([32_000]), 1 - Number.EPSILON)).toBe(20_000);
  });

  test('is the last that is left, and none where all are taken', () => {
    const all = new Set(Array.from({ length: 12_001 }, (_, index) => 20_000 + index));
    expect(choosePort(all, 0.3)).toBeNull();
    all.delete(20_007);
    expect(choosePort(all, 0.3)).toBe(20_007);
  });
});

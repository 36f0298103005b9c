// Checks an LMDB file before LMDB may touch it: LMDB trusts its pages, and one flipped byte there ends the process or
// shows an older state. Layout: LMDB's data format 2 as 64-bit little-endian machines write it (docs/store-format.md).
// It leaves out what records hold; those are sealed, each by itself.

import { VaultError } from './vault-error.ts';

const headerBytes = 24;
const pageFlag = { branch: 0x0001, leaf: 0x0002, overflow: 0x0004, meta: 0x0008 } as const;
const metaAt = { magic: 24, version: 28, mapSize: 40, freeTree: 48, mainTree: 96, lastPage: 144, txn: 152 } as const;
const treeAt = {
  pageSize: 0,
  flags: 4,
  depth: 6,
  branches: 8,
  leaves: 16,
  overflows: 24,
  entries: 32,
  root: 40,
} as const;
const lmdbMagic = 0xbeefc0de;
const lmdbVersion = 2;
const treeFlags = { free: 0x0008, main: 0x0000 } as const;
const noRoot = 0xffff_ffff_ffff_ffffn;
const bigData = 0x01;

interface Tree {
  readonly name: 'free' | 'main';
  readonly depth: number;
  readonly root: number | undefined;
  readonly counts: readonly [branches: number, leaves: number, overflows: number, entries: number];
}

/** Where it begins on its page, and ends. */
interface Node {
  readonly start: number;
  readonly keyBytes: number;
  readonly end: number;
}

interface Meta {
  readonly txn: number;
  readonly lastPage: number;
  readonly free: Tree;
  readonly main: Tree;
}

/** Bytes at the beginning of a file that hold both meta pages, whatever the page size. */
export const metaPagesBytes = 2 * 65_536;

/** Bytes of the file from an offset on; fewer where it ends. */
export type ReadBytes = (start: number, length: number) => Buffer;

/**
 * Checks the meta pages and the roots that they name; cost does not grow with the file.
 * @throws VaultError `foreign` if this is no LMDB file, `corrupt` if it is damaged.
 */
export function checkMetaPages(fileBytes: number, read: ReadBytes): void {
  new PageCheck(fileBytes, read);
}

/**
 * Checks every page that the committed state reaches, and that no page is both used and free. Yields after each page; the
 * state must stay as it is until the end.
 * @throws VaultError as `checkMetaPages`.
 */
export function* checkAllPages(fileBytes: number, read: ReadBytes): Generator<undefined> {
  const check = new PageCheck(fileBytes, read);
  yield* check.walk(check.live.main);
  yield* check.walk(check.live.free);
  check.disjoint();
}

class PageCheck {
  readonly live: Meta;
  readonly #fileBytes: number;
  readonly #read: ReadBytes;
  readonly #pageSize: number;
  readonly #used = new Set<number>();
  readonly #free: number[] = [];
  #counts: [number, number, number, number] = [0, 0, 0, 0];

  constructor(fileBytes: number, read: ReadBytes) {
    this.#fileBytes = fileBytes;
    this.#read = read;
    const file = read(0, metaPagesBytes);
    // A fresh magic in one place of two is a flipped byte; in none, another kind of file.
    const isLmdb = (at: number) => file.length >= at + 4 && file.readUInt32LE(at) === lmdbMagic;
    if (!isLmdb(metaAt.magic) && !isLmdb(4096 + metaAt.magic)) {
      throw new VaultError('foreign', 'data.mdb is not the file of a vault');
    }
    this.#pageSize = file.readUInt32LE(metaAt.freeTree);
    expect([4096, 8192, 16384, 32768, 65536].includes(this.#pageSize), 'the page size');
    expect(file.length >= 2 * this.#pageSize, 'the length of the file');
    const [even, odd] = [this.#meta(file, 0), this.#meta(file, 1)];
    expect(even.txn % 2 === 0 && odd.txn % 2 === 1 && Math.abs(even.txn - odd.txn) === 1, 'the order of commits');
    this.live = even.txn > odd.txn ? even : odd;
    // Each commit rewrites the root of the main tree: a meta page that lies about its commit does not match its root.
    for (const meta of [even, odd]) {
      const root = meta.main.root;
      if (root === undefined || (root + 1) * this.#pageSize > fileBytes) continue;
      const page = read(root * this.#pageSize, headerBytes);
      expect(page.length === headerBytes && numberIn(page, 8) === meta.txn, 'the root of the tree');
    }
  }

  /** Walks one tree of the live state; free pages are collected on the way. */
  *walk(tree: Tree): Generator<undefined> {
    this.#counts = [0, 0, 0, 0];
    if (tree.root !== undefined) yield* this.#page(tree, tree.root, 1, undefined, undefined);
    expect(
      tree.counts.every((count, index) => count === this.#counts[index]),
      `the size of the ${tree.name} tree`,
    );
  }

  /** No page may be both in use and free, or free twice: the next write would overwrite what is in use. */
  disjoint(): void {
    for (const page of this.#free) {
      expect(page >= 2 && page <= this.live.lastPage && !this.#used.has(page), 'the list of free pages');
      this.#used.add(page);
    }
  }

  #meta(file: Buffer, number: 0 | 1): Meta {
    const at = number * this.#pageSize;
    expect(numberIn(file, at) === number && file.readUInt16LE(at + 18) === pageFlag.meta, `meta page ${number}`);
    expect(file.readUInt32LE(at + metaAt.magic) === lmdbMagic, `the magic of meta page ${number}`);
    expect(file.readUInt32LE(at + metaAt.version) === lmdbVersion, `the version of meta page ${number}`);
    expect(file.readUInt32LE(at + metaAt.freeTree) === this.#pageSize, `the page size of meta page ${number}`);
    const lastPage = numberIn(file, at + metaAt.lastPage);
    const pages = this.#fileBytes / this.#pageSize;
    // Pages that were taken and given back in one commit are never written, so the file may be a little shorter.
    expect(lastPage >= 1 && lastPage < pages + 1024, `the last page of meta page ${number}`);
    expect(numberIn(file, at + metaAt.mapSize) < 2 ** 40, `the map size of meta page ${number}`);
    return {
      txn: numberIn(file, at + metaAt.txn),
      lastPage,
      free: this.#tree(file, at + metaAt.freeTree, 'free', lastPage),
      main: this.#tree(file, at + metaAt.mainTree, 'main', lastPage),
    };
  }

  #tree(file: Buffer, at: number, name: 'free' | 'main', lastPage: number): Tree {
    expect(file.readUInt16LE(at + treeAt.flags) === treeFlags[name], `the flags of the ${name} tree`);
    const depth = file.readUInt16LE(at + treeAt.depth);
    const isEmpty = file.readBigUInt64LE(at + treeAt.root) === noRoot;
    const root = isEmpty ? undefined : numberIn(file, at + treeAt.root);
    expect(isEmpty ? depth === 0 : depth >= 1 && depth < 32, `the depth of the ${name} tree`);
    expect(root === undefined || (root >= 2 && root <= lastPage), `the root of the ${name} tree`);
    return {
      name,
      depth,
      root,
      counts: [
        numberIn(file, at + treeAt.branches),
        numberIn(file, at + treeAt.leaves),
        numberIn(file, at + treeAt.overflows),
        numberIn(file, at + treeAt.entries),
      ],
    };
  }

  /** Checks one page and all below it. Its keys must lie from `low` on and before `high`. */
  *#page(
    tree: Tree,
    number: number,
    level: number,
    low: Buffer | undefined,
    high: Buffer | undefined,
  ): Generator<undefined> {
    const page = this.#take(number, 1);
    const isLeaf = level === tree.depth;
    expect(page.readUInt16LE(18) === (isLeaf ? pageFlag.leaf : pageFlag.branch), `the kind of page ${number}`);
    expect(page.readUInt16LE(16) === 0, `the header of page ${number}`);
    const nodes = this.#nodes(page, number);
    this.#counts[isLeaf ? 1 : 0]++;
    if (isLeaf) this.#counts[3] += nodes.length;
    expect(nodes.length >= (isLeaf ? 1 : 2), `the number of keys on page ${number}`);

    const keys = nodes.map(({ start, keyBytes }) => page.subarray(start + 8, start + 8 + keyBytes));
    const bounds = isLeaf ? keys : keys.slice(1); // The first key of a branch page stands for everything below.
    const compare = tree.name === 'free' ? compareIntegers : Buffer.compare;
    for (const [index, key] of bounds.entries()) {
      const before = index === 0 ? low : bounds[index - 1];
      const order = before ? compare(before, key) : -1;
      expect(index === 0 ? order <= 0 : order < 0, `the order of keys on page ${number}`);
      expect(high === undefined || compare(key, high) < 0, `the order of keys on page ${number}`);
    }
    yield;
    for (const [index, node] of nodes.entries()) {
      if (isLeaf) this.#leaf(tree, page, node, number);
      else {
        const next = page.readUInt32LE(node.start) + page.readUInt16LE(node.start + 4) * 2 ** 32;
        yield* this.#page(tree, next, level + 1, index === 0 ? low : keys[index], keys[index + 1] ?? high);
      }
    }
  }

  /** The nodes of a page in the order of their keys; together they fill its used part without gap or overlap. */
  #nodes(page: Buffer, number: number): Node[] {
    const [lower, upper] = [page.readUInt16LE(20), page.readUInt16LE(22)];
    const room = this.#pageSize - headerBytes;
    expect(lower % 2 === 0 && lower <= upper && upper <= room, `the bounds of page ${number}`);
    const isLeaf = page.readUInt16LE(18) === pageFlag.leaf;
    const nodes = Array.from({ length: lower / 2 }, (_, index) => {
      const offset = page.readUInt16LE(headerBytes + 2 * index);
      expect(offset >= upper && offset + 8 <= room, `a node of page ${number}`);
      const start = headerBytes + offset;
      const keyBytes = page.readUInt16LE(start + 6);
      const flags = page.readUInt16LE(start + 4);
      expect(!isLeaf || flags === 0 || flags === bigData, `a node of page ${number}`);
      const dataBytes = isLeaf ? (flags === bigData ? 24 : page.readUInt32LE(start)) : 0;
      const end = start + 8 + keyBytes + dataBytes;
      expect(end <= this.#pageSize, `a node of page ${number}`);
      return { start, keyBytes, end };
    });
    let next = headerBytes + upper;
    for (const { start, end } of nodes.toSorted((a, b) => a.start - b.start)) {
      expect(start === next, `a node of page ${number}`);
      next = end + ((end - start) & 1);
    }
    expect(next === this.#pageSize, `a node of page ${number}`);
    return nodes;
  }

  #leaf(tree: Tree, page: Buffer, { start, keyBytes }: Node, number: number): void {
    const size = page.readUInt32LE(start);
    const data = start + 8 + keyBytes;
    let value = page.subarray(data, data + size);
    if (page.readUInt16LE(start + 4) === bigData) {
      const [first, txn, pages] = [numberIn(page, data), numberIn(page, data + 8), numberIn(page, data + 16)];
      expect(pages === Math.floor((headerBytes - 1 + size) / this.#pageSize) + 1, `a node of page ${number}`);
      const run = this.#take(first, pages);
      expect(run.readUInt16LE(18) === pageFlag.overflow, `overflow page ${first}`);
      expect(numberIn(run, 8) === txn && run.readUInt32LE(20) === pages, `overflow page ${first}`);
      this.#counts[2] += pages;
      value = run.subarray(headerBytes, headerBytes + size);
    }
    if (tree.name === 'free') this.#freeList(page.subarray(start + 8, data), value);
  }

  /** A free list: its length in words, then page numbers; a negative word is the length of a run whose start follows. */
  #freeList(key: Buffer, list: Buffer): void {
    expect(key.length === 8 && numberIn(key, 0) <= this.live.txn, 'the key of a free list');
    expect(list.length >= 8 && list.length % 8 === 0, 'the length of a free list');
    const words = numberIn(list, 0);
    expect(words * 8 + 8 <= list.length, 'the length of a free list');
    for (let index = 1; index <= words; index++) {
      const word = list.readBigInt64LE(8 * index);
      if (word > 0n) this.#free.push(Number(word));
      else if (word < 0n) {
        expect(++index <= words && -word <= this.live.lastPage, 'a run of free pages');
        const first = numberIn(list, 8 * index);
        for (let page = 0; page < Number(-word); page++) this.#free.push(first + page);
      }
    }
  }

  /** Marks pages as used and reads them. */
  #take(number: number, pages: number): Buffer {
    const length = pages * this.#pageSize;
    expect(number >= 2 && number + pages - 1 <= this.live.lastPage, `page number ${number}`);
    const taken = this.#read(number * this.#pageSize, length);
    expect(taken.length === length, `page number ${number}`);
    expect(numberIn(taken, 0) === number && numberIn(taken, 8) <= this.live.txn, `the header of page ${number}`);
    for (let page = number; page < number + pages; page++) {
      expect(!this.#used.has(page), `page number ${page}`);
      this.#used.add(page);
    }
    return taken;
  }
}

function numberIn(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64LE(at));
}

function compareIntegers(a: Buffer, b: Buffer): number {
  const difference = a.readBigUInt64LE() - b.readBigUInt64LE();
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

function expect(holds: boolean, what: string): void {
  if (!holds) throw new VaultError('corrupt', `data.mdb is damaged: ${what} is wrong`);
}

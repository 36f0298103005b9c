# The main database of data.mdb, read page by page. docs/store-format.md, "The database".

import struct

PAGE_HEADER = struct.Struct("<QQHHHH")  # number, transaction, unused, flags, lower, upper
META = struct.Struct("<IIQQ")  # magic, version, address, size of the map
TREE = struct.Struct("<IHHQQQQQ")  # page size (of the first), flags, depth, branch/leaf/overflow pages, entries, root
BRANCH, LEAF, OVERFLOW, META_PAGE = 1, 2, 4, 8
IN_OVERFLOW_PAGES = 1
NO_PAGE = 2**64 - 1


class DamagedFile(Exception):
    """The structure of the file is not what it must be."""


def read_all(data):
    """The entries of the main database in the order of their keys: pairs of bytes."""
    try:
        transaction, page_size, tree = newest_meta(data)
        depth, entry_count, root = tree[2], tree[6], tree[7]
        entries = [] if root == NO_PAGE else list(Tree(data, page_size, transaction).entries(root, depth))
        if root != NO_PAGE and PAGE_HEADER.unpack_from(data, root * page_size)[1] != transaction:
            raise DamagedFile("the root of the tree is of another commit")
    except struct.error as error:
        raise DamagedFile("a page names bytes that are not there") from error
    keys = [key for key, _ in entries]
    if keys != sorted(set(keys)):
        raise DamagedFile("the keys are not in order")
    if len(entries) != entry_count:
        raise DamagedFile(f"expected {entry_count} entries, found {len(entries)}")
    return entries


def newest_meta(data):
    """Transaction, page size and main tree of the later of the last two commits."""
    even = read_meta(data, 0)
    odd = read_meta(data, even[1])
    if even[0] % 2 != 0 or abs(even[0] - odd[0]) != 1 or even[1] != odd[1]:
        raise DamagedFile("the meta pages do not follow one another")
    return max(even, odd)


def read_meta(data, at):
    flags = PAGE_HEADER.unpack_from(data, at)[3]
    magic, version, _, _ = META.unpack_from(data, at + 24)
    if flags != META_PAGE or magic != 0xBEEFC0DE or version != 2:
        raise DamagedFile(f"no meta page of LMDB's data format 2 at {at}")
    free_pages, main = TREE.unpack_from(data, at + 48), TREE.unpack_from(data, at + 96)
    (transaction,) = struct.unpack_from("<Q", data, at + 152)
    return transaction, free_pages[0], main


class Tree:
    def __init__(self, data, page_size, transaction):
        self.data, self.page_size, self.transaction = data, page_size, transaction

    def entries(self, number, depth):
        page, flags, lower, upper = self.page(number)
        if flags != (LEAF if depth == 1 else BRANCH) or lower > upper:
            raise DamagedFile(f"page {number} is no page of its place in the tree")
        for (place,) in struct.iter_unpack("<H", page[:lower]):
            low, high, node_flags, key_length = struct.unpack_from("<HHHH", page, place)
            key_end = place + 8 + key_length
            if flags == BRANCH:
                yield from self.entries(low | high << 16 | node_flags << 32, depth - 1)
            elif node_flags == 0:
                yield page[place + 8 : key_end], page[key_end : key_end + (low | high << 16)]
            elif node_flags == IN_OVERFLOW_PAGES:
                yield page[place + 8 : key_end], self.overflow(page, key_end, low | high << 16)
            else:
                raise DamagedFile(f"page {number} has a node with unknown flags")

    def page(self, number):
        """What comes after the page's header, its flags, and the two ends of its free space."""
        at = number * self.page_size
        if at + self.page_size > len(self.data):
            raise DamagedFile(f"page {number} is behind the end of the file")
        own_number, transaction, _, flags, lower, upper = PAGE_HEADER.unpack_from(self.data, at)
        if own_number != number or transaction > self.transaction:
            raise DamagedFile(f"page {number} has the header of another")
        return self.data[at + 24 : at + self.page_size], flags, lower, upper

    def overflow(self, page, at, length):
        number, _, page_count = struct.unpack_from("<QQQ", page, at)
        _, flags, low, high = self.page(number)
        start, end = number * self.page_size + 24, (number + page_count) * self.page_size
        if flags != OVERFLOW or low | high << 16 != page_count or not start + length <= min(end, len(self.data)):
            raise DamagedFile(f"page {number} does not begin the overflow pages of {length} bytes")
        return self.data[start : start + length]

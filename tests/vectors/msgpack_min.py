# SPDX-License-Identifier: ISC
"""The little of canonical msgpack that Warren signs, written apart from the
C code so that the vectors check it."""
import struct


def num(v):
    for lo, hi, lead, fmt in (
            (0, 0x7f, b"", ">B"), (-32, -1, b"", ">b"),
            (0, 0xff, b"\xcc", ">B"), (0, 0xffff, b"\xcd", ">H"),
            (0, 0xffffffff, b"\xce", ">I"), (0, 2**64 - 1, b"\xcf", ">Q"),
            (-2**7, 0, b"\xd0", ">b"), (-2**15, 0, b"\xd1", ">h"),
            (-2**31, 0, b"\xd2", ">i"), (-2**63, 0, b"\xd3", ">q")):
        if lo <= v <= hi:
            return lead + struct.pack(fmt, v)
    raise ValueError(v)


def blob(b):
    if len(b) < 0x100:
        return b"\xc4" + struct.pack(">B", len(b)) + b
    return b"\xc5" + struct.pack(">H", len(b)) + b


def text(s):
    b = s.encode()
    if len(b) < 32:
        return bytes([0xa0 | len(b)]) + b
    return b"\xd9" + struct.pack(">B", len(b)) + b


def arr(items):
    n = len(items)
    head = bytes([0x90 | n]) if n < 16 else b"\xdc" + struct.pack(">H", n)
    return head + b"".join(items)

#!/usr/bin/env python3
"""digest.py DIRECTORY [ID...]: the digests of the Deep Zoom images in a directory, and of all of them."""
import hashlib, pathlib, re, sys

def image_digest(descriptor):
    xml = descriptor.read_text(encoding='utf-8-sig')
    value = lambda name: re.search(rf'''\b{name}\s*=\s*["']([^"']*)["']''', xml, re.I).group(1)
    width, height, size = int(value('Width')), int(value('Height')), int(value('TileSize'))
    files, extension = descriptor.with_name(f'{descriptor.stem}_files'), value('Format')
    top, digest, index, missing = (max(width, height) - 1).bit_length(), 0, 0, 0
    for level in range(top + 1):
        columns, rows = (-(-(-(-side // 2 ** (top - level))) // size) for side in (width, height))
        for row, column in ((row, column) for row in range(rows) for column in range(columns)):
            try:
                tile = hashlib.md5((files / f'{level}/{column}_{row}.{extension}').read_bytes()).digest()
                digest ^= int(hashlib.md5(index.to_bytes(8, 'big') + tile).hexdigest(), 16)
            except FileNotFoundError:
                missing += 1
            index += 1
    return digest, f'  ({missing} missing)' if missing else ''

root, total = pathlib.Path(sys.argv[1]), 0
for path in [root / f'{id}.dzi' for id in sys.argv[2:]] or sorted(root.glob('*.dzi')):
    digest, note = image_digest(path)
    total ^= digest
    print(f'{digest:032x}  {path.stem}{note}')
print(f'{total:032x}  total')

"""Joins cocopp's figures of all functions, one for each dimension, into one picture: draw.py PICTURE.png 5,40 FOLDER...

The folders are where cocopp wrote them. Needs cairosvg and pillow.
"""

import glob
import io
import sys

import cairosvg
from PIL import Image

picture, dimensions, *folders = sys.argv[1:]
figures = []
for dimension in map(int, dimensions.split(",")):
    name = f"pprldmany_{dimension:02d}D_n*all.svg"
    found = [path for folder in folders for path in glob.glob(f"{folder}/**/{name}", recursive=True)]
    if len(found) != 1:
        sys.exit(f"draw.py: there are {len(found)} figures {name} in {', '.join(folders)}, and must be 1")
    figures.append(Image.open(io.BytesIO(cairosvg.svg2png(url=found[0], output_width=560))).convert("RGBA"))
joined = Image.new("RGB", (sum(f.width for f in figures), max(f.height for f in figures)), "white")
left = 0
for figure in figures:
    joined.paste(figure, (left, 0), figure)
    left += figure.width
joined.quantize(64).save(picture, optimize=True)

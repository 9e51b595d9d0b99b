"""Joins cocopp's figures of all functions, one for each dimension, into one picture: draw.py FOLDER PICTURE.png 5,40

FOLDER is where cocopp wrote them. Needs cairosvg and pillow.
"""

import glob
import io
import sys

import cairosvg
from PIL import Image

folder, picture, dimensions = sys.argv[1:]
figures = []
for dimension in map(int, dimensions.split(",")):
    found = glob.glob(f"{folder}/**/pprldmany_{dimension:02d}D_n*all.svg", recursive=True)
    if len(found) != 1:
        sys.exit(f"draw.py: {folder} has {len(found)} figures of all functions of {dimension} numbers, and must have 1")
    figures.append(Image.open(io.BytesIO(cairosvg.svg2png(url=found[0], output_width=560))).convert("RGBA"))
joined = Image.new("RGB", (sum(f.width for f in figures), max(f.height for f in figures)), "white")
left = 0
for figure in figures:
    joined.paste(figure, (left, 0), figure)
    left += figure.width
joined.quantize(64).save(picture, optimize=True)

"""A confusion matrix as a small PNG, without a plotting library."""

import io
from collections.abc import Sequence

import numpy as np

CELL = 44
LINE = 16
INK, PAPER, BLUE = (27, 27, 27), (255, 255, 255), np.array([11, 87, 164])


def confusion_png(
    matrix: np.ndarray, class_names: Sequence[str]
) -> tuple[bytes, int, int]:
    """Return the PNG file, its width and its height.

    matrix: counts, (classes, classes); rows are true classes, columns predicted ones.
    A cell is the darker, the larger its share of the row.
    """
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size=LINE - 4)
    room = 10 + int(max(font.getlength(name) for name in class_names))
    across = CELL * len(class_names)
    image = Image.new("RGB", (room + across, room + across + LINE), PAPER)
    draw = ImageDraw.Draw(image)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    for (row, column), share in np.ndenumerate(shares):
        left, top = room + column * CELL, room + row * CELL
        shade = tuple(np.round(255 + share * (BLUE - 255)).astype(int).tolist())
        draw.rectangle((left, top, left + CELL - 2, top + CELL - 2), fill=shade)
        count = int(matrix[row, column])
        if count:
            color = PAPER if share > 0.55 else INK
            middle = (left + CELL / 2 - 1, top + CELL / 2 - 1)
            draw.text(middle, str(count), color, font, anchor="mm")
    for number, name in enumerate(class_names):
        middle = room + (number + 0.5) * CELL
        draw.text((room - 5, middle), name, INK, font, anchor="rm")
        # The columns' names upright, read from below.
        label = Image.new("RGB", (room, LINE), PAPER)
        ImageDraw.Draw(label).text((3, LINE / 2), name, INK, font, anchor="lm")
        turned = label.transpose(Image.Transpose.ROTATE_90)
        image.paste(turned, (int(middle - LINE / 2), 0))
    note = "rows: true, columns: predicted"
    draw.text((room, room + across + LINE / 2), note, INK, font, anchor="lm")
    file = io.BytesIO()
    image.save(file, format="PNG")
    return file.getvalue(), *image.size

"""Outlines of the ten kinds of garment, as signed distances on a grid of points.

Every function draws a batch at once. `x` and `y`, (n, rows, columns), run from -1
at the left and top edge to 1 at the right and bottom; `draw(low, high)` gives n
random numbers, (n, 1, 1), and `chance(p)` n random booleans. Each returns a `Cut`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fmkeras.datasets.garments.shapes import box, common, cover, ramp, strip

Draw = Callable[[float, float], np.ndarray]
Chance = Callable[[float], np.ndarray]


@dataclass(frozen=True)
class Cut:
    """One batch of silhouettes.

    Attributes:
        inside: signed distance to the outline, positive inside, (n, rows, columns).
        shade: factor on the brightness of the cloth, same shape: seams, buttons.
    """

    inside: np.ndarray
    shade: np.ndarray


def t_shirt(x: np.ndarray, y: np.ndarray, draw: Draw, chance: Chance) -> Cut:
    side = np.abs(x)
    body = _torso(side, y, draw(0.44, 0.60), draw(0.42, 0.62), draw(0.75, 0.97))
    sleeve = strip(
        side, y, 0.42, -0.62, draw(0.66, 0.92), draw(-0.42, -0.12), draw(0.16, 0.25)
    )
    cloth = np.minimum(np.maximum(body, sleeve), -_neck(side, y, draw, chance, 0.38))
    print_on_chest = box(x, y - 0.05, draw(0.12, 0.3), draw(0.08, 0.3))
    shade = 1 + chance(0.45) * draw(-0.5, 0.5) * cover(print_on_chest)
    return Cut(cloth, shade)


def trouser(x: np.ndarray, y: np.ndarray, draw: Draw, chance: Chance) -> Cut:
    side = np.abs(x)
    hips = draw(0.26, 0.42)
    crotch = draw(-0.55, -0.25)
    hem = draw(0.60, 0.96) - chance(0.15) * draw(0.3, 0.7)
    flare = draw(-0.14, 0.14)
    outer = ramp(y, (-1.0, crotch, 1.0), (hips * 0.85, hips, hips + flare))
    inner = ramp(y, (crotch, crotch + 0.15, 1.0), (-0.15, 0.02, draw(0.04, 0.16)))
    cloth = common(outer - side, side - inner, y + 0.96, hem - y)
    waistband = 1 - 0.35 * cover(-0.84 - y)
    crease = 1 + draw(-0.25, 0.25) * cover(0.04 - np.abs(side - outer * 0.6))
    return Cut(cloth, waistband * crease)


def pullover(x: np.ndarray, y: np.ndarray, draw: Draw, chance: Chance) -> Cut:
    side = np.abs(x)
    bottom = draw(0.66, 0.92)
    body = _torso(side, y, draw(0.42, 0.58), draw(0.42, 0.60), bottom)
    sleeve, cuff = _long_sleeve(side, y, draw)
    cloth = np.minimum(np.maximum(body, sleeve), -_neck(side, y, draw, chance, 0.22))
    ribbing = np.maximum(cover(y - bottom + 0.14), cuff)
    collar = cover(0.09 - np.abs(np.hypot(side, (y + 0.98) * 1.3) - 0.34))
    shade = (1 - 0.3 * ribbing) * (1 - draw(0.0, 0.4) * collar)
    return Cut(cloth, shade)


def dress(x: np.ndarray, y: np.ndarray, draw: Draw, chance: Chance) -> Cut:
    side = np.abs(x)
    bust, waist = draw(0.22, 0.34), draw(0.17, 0.30)
    waist_height = draw(-0.35, 0.0)
    hem = draw(0.70, 0.97)
    profile = ramp(
        y, (-0.9, -0.55, waist_height, 1.0), (bust * 0.8, bust, waist, draw(0.24, 0.62))
    )
    bodice = common(profile - side, y + draw(0.62, 0.92), hem - y)
    strap = strip(side, y, bust * 0.6, -0.96, bust * 0.7, -0.5, draw(0.03, 0.07))
    reach = draw(-0.5, 0.75)
    sleeve = strip(side, y, bust * 0.8, -0.66, bust + 0.24, reach, draw(0.06, 0.10))
    cloth = np.maximum(bodice, strap)
    cloth = np.where(chance(0.4), np.maximum(cloth, sleeve), cloth)
    belt = cover(0.05 - np.abs(y - waist_height))
    pleat = cover(0.03 - np.abs(side - profile * 0.5)) * cover(y - waist_height)
    shade = (1 - draw(-0.2, 0.6) * belt) * (1 - chance(0.5) * 0.25 * pleat)
    return Cut(cloth, shade)


def coat(x: np.ndarray, y: np.ndarray, draw: Draw, chance: Chance) -> Cut:
    side = np.abs(x)
    bottom = draw(0.80, 0.98)
    body = _torso(side, y, draw(0.42, 0.58), draw(0.46, 0.66), bottom)
    sleeve, cuff = _long_sleeve(side, y, draw)
    cloth = np.minimum(np.maximum(body, sleeve), -_neck(side, y, draw, chance, 0.18))
    opening = cover(draw(0.0, 0.05) - np.abs(x + draw(-0.06, 0.06)))
    lapel_end = draw(-0.5, 0.1)
    lapel = cover(0.05 - np.abs(side - 0.42 * (lapel_end - y) / (lapel_end + 1)))
    lapel = lapel * cover(lapel_end - y)
    pocket = cover(box(side - 0.3, y - draw(0.3, 0.45), 0.12, 0.03))
    shade = (1 - draw(0.2, 0.9) * opening) * (1 - draw(0.1, 0.6) * lapel)
    return Cut(cloth, shade * (1 - 0.4 * pocket) * (1 - 0.2 * cuff))


def sandal(x: np.ndarray, y: np.ndarray, draw: Draw, chance: Chance) -> Cut:
    heel = chance(0.55) * draw(0.1, 0.65)
    sole_line = ramp(x, (-0.5, 0.6), (draw(0.55, 0.65), draw(0.45, 0.6) - heel))
    thickness = draw(0.05, 0.12)
    ends = 0.95 - np.abs(x)
    sole = common(thickness - np.abs(y - sole_line), ends)
    post = common(draw(0.05, 0.14) - np.abs(x - 0.80), y - sole_line, 0.66 - y)
    toe = draw(-0.65, -0.35)
    width = draw(0.05, 0.11)
    top = sole_line - draw(0.25, 0.45)
    first = strip(x, y, toe - 0.15, 0.5, toe + 0.2, top, width)
    second = strip(x, y, toe + 0.45, 0.5 - heel * 0.5, toe + 0.2, top, width)
    ankle_top = 0.42 - heel - draw(0.25, 0.5)
    ankle = strip(x, y, 0.85, 0.45 - heel, 0.75, ankle_top, width)
    around = strip(x, y, 0.15, 0.5 - heel * 0.5, 0.75, ankle_top, width)
    cloth = np.maximum(sole, np.where(heel > 0.05, post, -1.0))
    cloth = np.maximum(cloth, np.maximum(first, second))
    strapped = np.maximum(np.maximum(cloth, ankle), around)
    cloth = np.where(chance(0.7), strapped, cloth)
    return Cut(cloth, 1 - draw(0.0, 0.5) * cover(sole))


def shirt(x: np.ndarray, y: np.ndarray, draw: Draw, chance: Chance) -> Cut:
    side = np.abs(x)
    body = _torso(side, y, draw(0.42, 0.58), draw(0.42, 0.62), draw(0.75, 0.96))
    long_sleeve, cuff = _long_sleeve(side, y, draw)
    short_sleeve = strip(
        side, y, 0.42, -0.62, draw(0.66, 0.88), draw(-0.4, -0.1), draw(0.14, 0.22)
    )
    long = chance(0.6)
    sleeve = np.where(long, long_sleeve, short_sleeve)
    notch = 0.14 - side - 0.6 * (y + 1)
    cloth = np.minimum(np.maximum(body, sleeve), -notch)
    collar = cover(
        common(0.11 - np.abs(side - 0.16 + 0.3 * (y + 0.8)), y + 1, -0.62 - y)
    )
    placket = cover(0.045 - np.abs(x)) * cover(y + 0.75)
    spacing = draw(0.24, 0.34)
    buttons = placket * cover(0.05 - np.abs((y % spacing) - 0.5 * spacing))
    pocket = cover(box(x - 0.27, y + 0.2, 0.12, 0.14)) * chance(0.5)
    shade = (1 + draw(0.1, 0.35) * collar) * (1 + draw(-0.15, 0.3) * placket)
    shade = shade * (1 - draw(0.4, 0.8) * buttons) * (1 - 0.22 * pocket)
    return Cut(cloth, shade * (1 - 0.2 * cuff * long))


def sneaker(x: np.ndarray, y: np.ndarray, draw: Draw, chance: Chance) -> Cut:
    collar = draw(-0.30, 0.05)
    toe = draw(0.18, 0.34)
    throat = draw(-0.15, 0.15)
    upper = ramp(
        x,
        (-0.98, -0.85, throat, throat + 0.25, throat + 0.45, 0.72, 0.95),
        (0.55, toe, toe - 0.2, collar, collar + 0.1, collar + 0.08, collar - 0.06),
    )
    sole = draw(0.52, 0.62)
    cloth = common(y - upper, sole + 0.16 - y, 0.95 - np.abs(x))
    sole_shade = 1 + draw(-0.6, 0.7) * cover(y - sole)
    slope = y - upper
    laces = cover(0.12 - np.abs(slope - 0.1)) * cover(0.28 - np.abs(x - throat))
    laces = laces * ((x % 0.16) < 0.08)
    stripe = cover(0.06 - np.abs(x - draw(0.1, 0.4) + 0.5 * (y - 0.3)))
    shade = sole_shade * (1 - draw(0.1, 0.7) * laces)
    return Cut(cloth, shade * (1 + chance(0.6) * draw(-0.5, 0.5) * stripe))


def bag(x: np.ndarray, y: np.ndarray, draw: Draw, chance: Chance) -> Cut:
    side = np.abs(x)
    top, bottom = draw(-0.45, 0.05), draw(0.55, 0.92)
    width = draw(0.55, 0.95)
    outline = ramp(y, (-0.5, 1.0), (width * draw(0.75, 1.0), width))
    body = common(outline - side, y - top, bottom - y)
    height = draw(0.1, 0.85)
    arc = np.hypot(x / draw(0.35, 0.75), (y - top) / height)
    handle = np.minimum(draw(0.10, 0.22) - np.abs(arc - 1), top + 0.05 - y) * 0.5
    cloth = np.where(chance(0.88), np.maximum(body, handle), body)
    flap_end = top + draw(0.15, 0.45)
    flap = cover(0.04 - np.abs(y - flap_end))
    clasp = cover(box(x, y - flap_end, 0.08, 0.08))
    shade = (1 - draw(0.0, 0.6) * flap) * (1 + draw(-0.6, 0.6) * clasp)
    return Cut(cloth, shade)


def ankle_boot(x: np.ndarray, y: np.ndarray, draw: Draw, chance: Chance) -> Cut:
    top = draw(-0.95, -0.45)
    front = draw(-0.18, 0.18)
    toe = draw(0.30, 0.48)
    upper = ramp(
        x,
        (-0.95, -0.7, front - 0.12, front + 0.05),
        (toe + 0.2, toe, draw(0.05, 0.25), top),
    )
    back = ramp(y, (-0.9, 0.2, 0.8), (draw(0.72, 0.9), 0.78, 0.86))
    heel = chance(0.6) * draw(0.08, 0.32)
    ground = ramp(x, (-0.3, 0.4), (0.78, 0.78 - heel))
    foot = common(y - upper, y - top, ground - y, back - x, x + 0.95)
    block = common(x - draw(0.42, 0.6), back - x, 0.78 - y, y - 0.2)
    cloth = np.maximum(foot, block)
    sole = 1 - draw(-0.3, 0.6) * cover(y - ground + 0.12)
    zip_line = cover(0.035 - np.abs(x - 0.45)) * cover(0.3 - y) * chance(0.5)
    laces = cover(0.14 - np.abs(x - front - 0.15)) * ((y % 0.18) < 0.09)
    laces = laces * cover(0.1 - y) * chance(0.4)
    return Cut(cloth, sole * (1 - 0.45 * zip_line) * (1 - 0.45 * laces))


def _torso(
    side: np.ndarray,
    y: np.ndarray,
    chest: np.ndarray,
    hem: np.ndarray,
    bottom: np.ndarray,
) -> np.ndarray:
    """A body with sloping shoulders, `chest` and `hem` half wide, down to `bottom`."""
    width = ramp(y, (-0.6, 0.9), (chest, hem))
    shoulder = y + 0.95 - 0.28 * side
    return common(width - side, shoulder, bottom - y)


def _long_sleeve(
    side: np.ndarray, y: np.ndarray, draw: Draw
) -> tuple[np.ndarray, np.ndarray]:
    """Sleeves to the hips, and how far each point lies on their cuffs, 0 to 1."""
    end = draw(0.35, 0.78)
    sleeve = strip(side, y, 0.44, -0.62, draw(0.68, 0.88), end, draw(0.11, 0.17))
    return sleeve, cover(side - 0.58) * cover(y - end + 0.12)


def _neck(
    side: np.ndarray, y: np.ndarray, draw: Draw, chance: Chance, depth: float
) -> np.ndarray:
    """The opening at the neck, round or pointed."""
    half, deep = draw(0.16, 0.30), draw(0.5, 1.0) * depth
    fall = (y + 0.98) / deep
    return np.where(
        chance(0.65), 1 - np.hypot(side / half, fall), 1 - side / half - fall
    ) * np.minimum(half, deep)

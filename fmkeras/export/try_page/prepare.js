// A picture of any size made into 28 x 28 as fmkeras/datasets/image_files.py makes it:
// the same numbers for the same pixels of 8 bits, the same notes and doubts, up to the
// 4 million pixels beyond which Python averages blocks of them first.
// tests/browser/test_try_page.py compares them.
"use strict";

const SIDE = 28;
const LEAST_DIFFERENCE = 20;
const LEAST_SHARE = 0.12;
const PALE = 200;
const DARK = 20;
const WHITE = 250;
const LOW_CONTRAST = 60;
const OBJECT_SHARE = 0.3;

// Round half to even, as Python and NumPy do.
function roundEven(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

function luminance(r, g, b) {
  return r * 0.299 + g * 0.587 + b * 0.114;
}

function borderPlaces(width, height) {
  const places = [];
  for (let x = 0; x < width; x++) places.push(x, (height - 1) * width + x);
  for (let y = 0; y < height; y++) places.push(y * width, y * width + width - 1);
  return places;
}

function median(values) {
  const sorted = Float64Array.from(values).sort();
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

function isPrepared(rgba, width, height) {
  if (width !== SIDE || height !== SIDE) return false;
  for (let i = 0; i < rgba.length; i += 4) {
    if (rgba[i + 3] < 255 || rgba[i] !== rgba[i + 1] || rgba[i] !== rgba[i + 2]) {
      return false;
    }
  }
  let dark = 0, white = 0;
  for (const place of borderPlaces(width, height)) {
    dark += rgba[4 * place] < DARK;
    white += rgba[4 * place] >= WHITE;
  }
  return dark > white;
}

// The weights of Pillow's resize: for each pixel of the result, where it begins to
// read and how much each pixel counts.
function resampleWeights(from, to, support, filter) {
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  const reach = support * stretch;
  const inverse = 1 / stretch;
  const weights = [];
  for (let place = 0; place < to; place++) {
    const centre = (place + 0.5) * scale;
    const first = Math.max(Math.trunc(centre - reach + 0.5), 0);
    const last = Math.min(Math.trunc(centre + reach + 0.5), from);
    const shares = [];
    let sum = 0;
    for (let x = first; x < last; x++) {
      const share = filter((x - centre + 0.5) * inverse);
      shares.push(share);
      sum += share;
    }
    weights.push({ first, shares: shares.map((s) => (sum !== 0 ? s / sum : s)) });
  }
  return weights;
}

const boxFilter = (x) => (x > -0.5 && x <= 0.5 ? 1 : 0);
const bilinearFilter = (x) => Math.max(1 - Math.abs(x), 0);

// Pillow resizes rows first, then columns, in doubles; it keeps single precision
// between the two.
function resize(image, width, height, toWidth, toHeight, support, filter) {
  const rows = resampleWeights(width, toWidth, support, filter);
  let middle = image;
  if (toWidth !== width) {
    middle = new Float32Array(toWidth * height);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < toWidth; x++) {
        let sum = 0;
        const { first, shares } = rows[x];
        for (let i = 0; i < shares.length; i++) {
          sum += image[y * width + first + i] * shares[i];
        }
        middle[y * toWidth + x] = sum;
      }
    }
  }
  if (toHeight === height) return middle;
  const columns = resampleWeights(height, toHeight, support, filter);
  const result = new Float32Array(toWidth * toHeight);
  for (let y = 0; y < toHeight; y++) {
    const { first, shares } = columns[y];
    for (let x = 0; x < toWidth; x++) {
      let sum = 0;
      for (let i = 0; i < shares.length; i++) {
        sum += middle[(first + i) * toWidth + x] * shares[i];
      }
      result[y * toWidth + x] = sum;
    }
  }
  return result;
}

// The centre of mass goes as near to the middle as the image fits.
function centred(image, width, height) {
  let total = 0, sumX = 0, sumY = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const value = image[y * width + x];
      total += value;
      sumX += value * (x + 0.5);
      sumY += value * (y + 0.5);
    }
  }
  total = Math.max(total, 1e-9);
  const corner = (sum, length) => {
    const offset = roundEven((SIDE / 2 - sum / total) * 1e6) / 1e6;
    return Math.min(Math.max(roundEven(offset), 0), SIDE - length);
  };
  const left = corner(sumX, width), top = corner(sumY, height);
  const canvas = new Uint8Array(SIDE * SIDE);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      canvas[(top + y) * SIDE + left + x] = roundEven(image[y * width + x]);
    }
  }
  return canvas;
}

// How many separate objects a mask shows. Parts far smaller than the largest count for
// nothing, nor do gaps of a hundredth of the picture.
function countObjects(mask, fullWidth, fullHeight) {
  const step = Math.max(Math.floor(Math.max(fullWidth, fullHeight) / 200), 1);
  const width = Math.ceil(fullWidth / step), height = Math.ceil(fullHeight / step);
  const grown = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!mask[y * step * fullWidth + x * step]) continue;
      const at = y * width + x;
      grown[at] = 1;
      if (x > 0) grown[at - 1] = 1;
      if (x < width - 1) grown[at + 1] = 1;
      if (y > 0) grown[at - width] = 1;
      if (y < height - 1) grown[at + width] = 1;
    }
  }
  const sizes = [];
  for (let first = 0; first < grown.length; first++) {
    if (!grown[first]) continue;
    const pending = [first];
    grown[first] = 0;
    let size = 0;
    while (pending.length) {
      const at = pending.pop(), x = at % width, y = (at - x) / width;
      size++;
      for (let j = Math.max(y - 1, 0); j <= Math.min(y + 1, height - 1); j++) {
        for (let i = Math.max(x - 1, 0); i <= Math.min(x + 1, width - 1); i++) {
          if (!grown[j * width + i]) continue;
          grown[j * width + i] = 0;
          pending.push(j * width + i);
        }
      }
    }
    sizes.push(size);
  }
  const largest = Math.max(...sizes);
  return sizes.filter((size) => size > OBJECT_SHARE * largest).length;
}

// Return {pixels: Uint8Array(784), notes, doubts} of RGBA bytes; throw where there is
// nothing but background.
function preparePicture(rgba, width, height) {
  const count = width * height;
  if (isPrepared(rgba, width, height)) {
    const pixels = Uint8Array.from({ length: count }, (_, i) => rgba[4 * i]);
    return { pixels, notes: ["28 x 28, light on dark: taken as it is"], doubts: [] };
  }
  const notes = [];
  let colours = rgba, step = 4;
  let opaque = true;
  for (let i = 3; i < rgba.length && opaque; i += 4) opaque = rgba[i] === 255;
  if (!opaque) {
    let grey = 0, sum = 0;
    for (let i = 0; i < rgba.length; i += 4) {
      grey += luminance(rgba[i], rgba[i + 1], rgba[i + 2]) * rgba[i + 3];
      sum += rgba[i + 3];
    }
    const ground = grey / Math.max(sum, 1) > PALE ? 0 : 255;
    notes.push(`transparent: composited on ${ground ? "white" : "black"}`);
    colours = new Float64Array(3 * count);
    step = 3;
    for (let i = 0; i < count; i++) {
      const share = rgba[4 * i + 3] / 255;
      for (let c = 0; c < 3; c++) {
        colours[3 * i + c] = rgba[4 * i + c] * share + ground * (1 - share);
      }
    }
  }
  const places = borderPlaces(width, height);
  const background = [0, 1, 2].map((c) =>
    median(places.map((place) => colours[step * place + c]))
  );
  const distance = new Float64Array(count);
  let largest = 0;
  for (let i = 0; i < count; i++) {
    let most = 0;
    for (let c = 0; c < 3; c++) {
      most = Math.max(most, Math.abs(colours[step * i + c] - background[c]));
    }
    distance[i] = most;
    largest = Math.max(largest, most);
  }
  const bar = Math.max(LEAST_DIFFERENCE, LEAST_SHARE * largest);
  const ground = luminance(...background);
  const garment = new Uint8Array(count);
  let members = 0, seen = 0, signed = 0, far = 0;
  let left = width, right = -1, top = height, bottom = -1;
  for (let i = 0; i < count; i++) {
    if (!(distance[i] > bar)) continue;
    const at = step * i;
    const difference =
      luminance(colours[at], colours[at + 1], colours[at + 2]) - ground;
    garment[i] = 1;
    members++;
    seen += Math.abs(difference);
    signed += difference;
    far += distance[i];
    const x = i % width, y = (i - x) / width;
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  }
  if (!members) {
    throw new Error(
      "The picture shows only its background; take one with more contrast."
    );
  }
  let kind = "light";
  if (seen / members < 0.5 * (far / members)) kind = "colour";
  else if (signed / members < 0) kind = "dark";
  notes.push(
    {
      light: "light on dark: kept",
      dark: "dark on light: inverted",
      colour: "separated from its background by colour",
    }[kind]
  );
  const trimmedWidth = right - left + 1, trimmedHeight = bottom - top + 1;
  const trimmed = new Float32Array(trimmedWidth * trimmedHeight);
  for (let y = 0; y < trimmedHeight; y++) {
    for (let x = 0; x < trimmedWidth; x++) {
      const i = (top + y) * width + left + x;
      if (!(distance[i] > bar)) continue;
      const at = step * i;
      let value = distance[i];
      if (kind !== "colour") {
        const difference =
          luminance(colours[at], colours[at + 1], colours[at + 2]) - ground;
        value =
          kind === "dark"
            ? (-difference * 255) / ground
            : (difference * 255) / (255 - ground);
      }
      trimmed[y * trimmedWidth + x] = Math.min(Math.max(value, 0), 255);
    }
  }
  const scale = SIDE / Math.max(trimmedWidth, trimmedHeight);
  const toWidth = Math.max(roundEven(trimmedWidth * scale), 1);
  const toHeight = Math.max(roundEven(trimmedHeight * scale), 1);
  const [support, filter] = scale < 1 ? [0.5, boxFilter] : [1, bilinearFilter];
  const small = resize(
    trimmed, trimmedWidth, trimmedHeight, toWidth, toHeight, support, filter
  );
  const doubts = [];
  if (largest < LOW_CONTRAST) doubts.push("low contrast");
  if (countObjects(garment, width, height) > 1) doubts.push("several objects");
  return { pixels: centred(small, toWidth, toHeight), notes, doubts };
}

// Whether an image is far from the training images, as fmkeras/prediction/typical.py
// says: `means` holds their 7 x 7 means of 4 x 4 pixels, Uint8Array(49 * n).
function isFar(pixels, means, limit) {
  const cells = new Float64Array(49);
  for (let i = 0; i < SIDE * SIDE; i++) {
    const x = i % SIDE, y = (i - x) / SIDE;
    cells[7 * Math.floor(y / 4) + Math.floor(x / 4)] += pixels[i] / 16;
  }
  const length = Math.max(Math.hypot(...cells), 1e-6);
  let best = -1;
  for (let start = 0; start < means.length; start += 49) {
    let product = 0, squares = 0;
    for (let i = 0; i < 49; i++) {
      product += cells[i] * means[start + i];
      squares += means[start + i] ** 2;
    }
    best = Math.max(best, product / length / Math.max(Math.sqrt(squares), 1e-6));
  }
  return Math.sqrt(Math.max(2 - 2 * best, 0)) > limit;
}

// The page: pictures in, probabilities out. The model and its runtime come from scripts
// beside it, since a page opened from the disk may not fetch.
"use strict";

const PATCH = 6;
const STRIDE = 2;
const MOST_PIXELS = 50e6;
const find = (id) => document.getElementById(id);
const percent = (share) => `${(100 * share).toFixed(1)} %`;
let session = null;
let typical = null;
let runtime = null;
let turn = 0;

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function load() {
  const source = await unpack(FILES.module);
  const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  runtime = await import(address);
  runtime.env.wasm.numThreads = 1;
  runtime.env.wasm.wasmBinary = (await unpack(FILES.wasm)).buffer;
  session = await runtime.InferenceSession.create(await unpack(FILES.onnx));
  if (FILES.typical) typical = await unpack(FILES.typical.means);
  find("state").textContent = "Ready.";
  document.body.dataset.ready = "yes";
}

// Return the probabilities of n images, Float32Array(n * classes); pixels are 0 to 255.
async function predict(pixels, count) {
  const input = new runtime.Tensor("float32", pixels, [count, SIDE, SIDE, 1]);
  const result = await session.run({ [session.inputNames[0]]: input });
  return result[session.outputNames[0]].data;
}

// Return how much covering the surroundings of each pixel lowers the class's share.
async function occlusion(pixels, best, share) {
  const corners = [];
  for (let y = 0; y <= SIDE - PATCH; y += STRIDE) {
    for (let x = 0; x <= SIDE - PATCH; x += STRIDE) corners.push([x, y]);
  }
  const covered = new Float32Array(corners.length * SIDE * SIDE);
  corners.forEach(([left, top], number) => {
    covered.set(pixels, number * SIDE * SIDE);
    for (let y = top; y < top + PATCH; y++) {
      const start = number * SIDE * SIDE + y * SIDE + left;
      covered.fill(0, start, start + PATCH);
    }
  });
  const found = await predict(covered, corners.length);
  const classes = found.length / corners.length;
  const heat = new Float64Array(SIDE * SIDE), times = new Float64Array(SIDE * SIDE);
  corners.forEach(([left, top], number) => {
    const drop = share - found[number * classes + best];
    for (let y = top; y < top + PATCH; y++) {
      for (let x = left; x < left + PATCH; x++) {
        heat[y * SIDE + x] += drop;
        times[y * SIDE + x] += 1;
      }
    }
  });
  return heat.map((value, i) => Math.max(value / times[i], 0));
}

function paint(canvas, colour) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(SIDE, SIDE);
  for (let i = 0; i < SIDE * SIDE; i++) image.data.set([...colour(i), 255], 4 * i);
  context.putImageData(image, 0, 0);
}

function showShares(probabilities) {
  const order = [...probabilities.keys()].sort(
    (a, b) => probabilities[b] - probabilities[a]
  );
  const rows = order.map((index) => {
    const row = document.createElement("li");
    const name = document.createElement("span");
    name.textContent = FILES.about.classes[index];
    const bar = document.createElement("span");
    bar.className = "bar";
    const fill = document.createElement("b");
    fill.style.width = `${100 * probabilities[index]}%`;
    bar.append(fill);
    const value = document.createElement("span");
    value.textContent = percent(probabilities[index]);
    row.append(name, bar, value);
    return row;
  });
  find("shares").replaceChildren(...rows);
  return order[0];
}

async function classify(rgba, width, height) {
  const own = ++turn;
  find("state").className = "";
  try {
    const { pixels, notes, doubts } = preparePicture(rgba, width, height);
    const input = Float32Array.from(pixels);
    const probabilities = Array.from(await predict(input, 1));
    if (own !== turn) return;
    const best = showShares(probabilities);
    const name = FILES.about.classes[best];
    paint(find("seen"), (i) => [pixels[i], pixels[i], pixels[i]]);
    find("notes").textContent = notes.join(", ");
    find("best").textContent = name;
    find("answer").textContent = `${name}, ${percent(probabilities[best])}`;
    if (typical && isFar(pixels, typical, FILES.typical.limit)) {
      doubts.push("unlike the training images");
    }
    find("doubts").textContent = doubts.length ? `Doubtful: ${doubts.join(", ")}.` : "";
    find("state").textContent = "Ready.";
    find("result").hidden = false;
    const heat = await occlusion(input, best, probabilities[best]);
    if (own !== turn) return;
    const most = Math.max(...heat, 1e-6);
    paint(find("where"), (i) => {
      const warm = heat[i] / most, grey = 0.35 * pixels[i];
      return [grey + (255 - grey) * warm, grey + (170 - grey) * warm, grey * (1 - warm)];
    });
    document.body.dataset.shown = String(own);
  } catch (error) {
    fail(error.message);
  }
}

function fail(text) {
  find("state").textContent = text;
  find("state").className = "wrong";
}

// A canvas multiplies colours by their opacity and loses some; WebGL reads them whole.
function readTransparent(bitmap) {
  const gl = document.createElement("canvas").getContext("webgl2");
  if (!gl) return null;
  const { width, height } = bitmap;
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
  const target = [gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D];
  gl.framebufferTexture2D(...target, gl.getParameter(gl.TEXTURE_BINDING_2D), 0);
  if (gl.checkFramebufferStatus(gl.FRAMEBUFFER) !== gl.FRAMEBUFFER_COMPLETE) return null;
  const rgba = new Uint8Array(4 * width * height);
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, rgba);
  return rgba;
}

async function readPicture(blob) {
  const flags = { premultiplyAlpha: "none", colorSpaceConversion: "none" };
  const bitmap = await createImageBitmap(blob, flags);
  const { width, height } = bitmap;
  if (width * height > MOST_PIXELS) {
    throw new Error("The picture has over 50 million pixels; make it smaller.");
  }
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  let rgba = context.getImageData(0, 0, width, height).data;
  for (let i = 3; i < rgba.length; i += 4) {
    if (rgba[i] < 255) {
      rgba = readTransparent(bitmap) ?? rgba;
      break;
    }
  }
  return { rgba, width, height };
}

async function takeFile(file) {
  if (!file) return;
  find("state").textContent = "Reading the picture ...";
  find("state").className = "";
  try {
    const { rgba, width, height } = await readPicture(file);
    await classify(rgba, width, height);
  } catch (error) {
    const known = error.message.startsWith("The picture");
    fail(known ? error.message : "This file cannot be read as a picture.");
  }
}

function listenForFiles() {
  const drop = find("drop");
  // So that the same file can be chosen again.
  find("file").addEventListener("click", (event) => (event.target.value = ""));
  find("file").addEventListener("change", (event) => takeFile(event.target.files[0]));
  drop.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    takeFile(event.dataTransfer.files[0]);
  });
  document.addEventListener("paste", (event) => takeFile(event.clipboardData.files[0]));
}

function listenForCamera() {
  const video = find("video"), shoot = find("shoot"), camera = find("camera");
  let stream = null;
  const stop = () => {
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
    video.hidden = shoot.hidden = true;
    camera.textContent = "Use the camera";
  };
  camera.addEventListener("click", async () => {
    if (stream) return stop();
    try {
      const wanted = { video: { facingMode: "environment" } };
      stream = await navigator.mediaDevices.getUserMedia(wanted);
    } catch {
      return fail("There is no camera here that this page may use.");
    }
    video.srcObject = stream;
    await video.play();
    video.hidden = shoot.hidden = false;
    camera.textContent = "Stop the camera";
    shoot.focus();
  });
  shoot.addEventListener("click", () => {
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    const context = canvas.getContext("2d");
    context.drawImage(video, 0, 0);
    const image = context.getImageData(0, 0, canvas.width, canvas.height);
    classify(image.data, image.width, image.height);
  });
}

function listenForDrawing() {
  const canvas = find("draw");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const pen = { x: 140, y: 140, down: false };
  let empty = true;
  const clear = () => {
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    empty = true;
  };
  const line = (x, y) => {
    context.strokeStyle = "#000";
    context.lineWidth = 18;
    context.lineCap = "round";
    context.beginPath();
    context.moveTo(pen.x, pen.y);
    context.lineTo(x, y);
    context.stroke();
    empty = false;
  };
  const done = () => {
    if (empty) return;
    const image = context.getImageData(0, 0, canvas.width, canvas.height);
    classify(image.data, image.width, image.height);
  };
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    const scale = canvas.width / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  };
  let drawing = false;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    drawing = true;
    [pen.x, pen.y] = place(event);
    line(pen.x, pen.y);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drawing) return;
    const [x, y] = place(event);
    line(x, y);
    [pen.x, pen.y] = [x, y];
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, () => {
      if (drawing) done();
      drawing = false;
    });
  }
  const STEPS = {
    ArrowLeft: [-10, 0], ArrowRight: [10, 0], ArrowUp: [0, -10], ArrowDown: [0, 10],
  };
  canvas.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    if (step) {
      const x = Math.min(Math.max(pen.x + step[0], 10), 270);
      const y = Math.min(Math.max(pen.y + step[1], 10), 270);
      if (pen.down) line(x, y);
      [pen.x, pen.y] = [x, y];
    } else if (event.key === " ") {
      pen.down = !pen.down;
      if (pen.down) line(pen.x, pen.y);
      else done();
    } else return;
    event.preventDefault();
    find("pen").textContent = `Pen ${pen.down ? "down" : "up"} at ${Math.round(pen.x)}, ${Math.round(pen.y)}.`;
  });
  find("clear").addEventListener("click", clear);
  clear();
}

function describe() {
  const { name, classes, accuracy, dataset, runtime: version } = FILES.about;
  find("name").textContent = name;
  document.title = `Try ${name} - fmkeras`;
  const measured = accuracy ? `; it names ${percent(accuracy)} of its test images rightly` : "";
  const of = dataset ? ` of ${dataset}` : "";
  find("about").textContent =
    `It tells ${classes.length} classes${of} apart: ${classes.join(", ")}${measured}.`;
  find("made").textContent = `${version}, MIT licence, Microsoft: licences.txt.`;
}

describe();
listenForFiles();
listenForCamera();
listenForDrawing();
load().catch((error) => fail(`The model cannot be loaded: ${error.message}`));

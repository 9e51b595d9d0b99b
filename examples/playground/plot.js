// Pictures on a canvas: contour lines, and curves.
"use strict";

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

// A canvas of as many pixels as the screen has there. Returns its context, in units of CSS, and its size in them.
function prepared(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = "12px " + getComputedStyle(document.body).fontFamily;
  return {context, width, height};
}

function mixed(from, to, share) {
  const parts = (text) => [1, 3, 5].map((i) => parseInt(text.slice(i, i + 2), 16));
  const a = parts(from), b = parts(to);
  return a.map((value, i) => Math.round(value + (b[i] - value) * share));
}

// What the picture of a function shares with all runs on it. `values` (rows × rows) begins in the upper left corner.
// Contours lie at equal distances of the logarithm of the loss above the least.
function contours(values, rows, least, levels) {
  const offset = 0.02;
  const heights = Array.from(values, (v) => Number.isFinite(v) ? Math.log(Math.max(0, v - least) + offset) : Infinity);
  const finite = heights.filter(Number.isFinite).sort((a, b) => a - b);
  const low = finite[0], high = finite[finite.length - 1];
  const at = [];
  for (let i = 1; i < levels; ++i) at.push(low + (high - low) * i / levels);
  return {heights, rows, low, high, lines: at.map((level) => [level, segments(heights, rows, level)])};
}

// Marching squares: where the level crosses the sides of each square of four neighbours.
function segments(heights, rows, level) {
  const found = [];
  for (let i = 0; i + 1 < rows; ++i)
    for (let j = 0; j + 1 < rows; ++j) {
      const corner = [[i, j], [i, j + 1], [i + 1, j + 1], [i + 1, j]];
      const height = corner.map(([r, c]) => heights[r * rows + c]);
      if (height.some((h) => !Number.isFinite(h))) continue;
      const crossed = [];
      for (let k = 0; k < 4; ++k) {
        const a = height[k], b = height[(k + 1) % 4];
        if ((a < level) === (b < level)) continue;
        const share = (level - a) / (b - a), [r0, c0] = corner[k], [r1, c1] = corner[(k + 1) % 4];
        crossed.push([(c0 + (c1 - c0) * share + 0.5) / rows, (r0 + (r1 - r0) * share + 0.5) / rows]);
      }
      for (let k = 0; k + 1 < crossed.length; k += 2) found.push([crossed[k], crossed[k + 1]]);
    }
  return found;
}

// The ground that paths are drawn on, once for a size and a scheme of colours.
function ground(picture, size, ratio) {
  const {heights, rows, low, high, lines} = picture;
  const image = new ImageData(rows, rows), levels = lines.length + 1;
  const shades = [];
  for (let i = 0; i < levels; ++i) shades.push(mixed(colour("low"), colour("high"), Math.sqrt(i / (levels - 1))));
  const outside = mixed(colour("rule"), colour("high"), 0.2);
  heights.forEach((height, i) => {
    const band = Math.min(levels - 1, Math.floor((height - low) / (high - low) * levels));
    image.data.set([...(Number.isFinite(height) ? shades[Math.max(0, band)] : outside), 255], 4 * i);
  });
  const small = new OffscreenCanvas(rows, rows), whole = new OffscreenCanvas(size * ratio, size * ratio);
  small.getContext("2d").putImageData(image, 0, 0);
  const context = whole.getContext("2d");
  context.scale(ratio, ratio);
  context.imageSmoothingEnabled = rows < size;
  context.drawImage(small, 0, 0, size, size);
  context.strokeStyle = colour("line");
  context.lineWidth = 0.7;
  context.globalAlpha = 0.45;
  context.beginPath();
  for (const [, found] of lines)
    for (const [[x0, y0], [x1, y1]] of found) {
      context.moveTo(x0 * size, y0 * size);
      context.lineTo(x1 * size, y1 * size);
    }
  context.stroke();
  return whole;
}

// Numbers as people write them.
function shown(value) {
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) return value.toExponential(1).replace("e", "·10^").replace(/\^\+?(-?\d+)/, (_, n) => superscript(n));
  return String(Number(value.toPrecision(3)));
}
const superscript = (n) => n.replace(/./g, (c) => "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"["0123456789-".indexOf(c)]);
const grouped = (n) => Math.round(n).toLocaleString("en");

// Round steps of an axis from 0 to `most`, about `wanted` of them.
function ticks(most, wanted) {
  const unit = Math.pow(10, Math.floor(Math.log10(most / wanted)));
  const step = [1, 2, 5, 10].map((k) => k * unit).find((s) => most / s <= wanted);
  const all = [];
  for (let at = 0; at <= most * 1.0001; at += step) all.push(at);
  return all;
}

// Curves over a common axis of forwards. Each is {points: [[x, y], …], colour, width, dots, right}; y runs from `bottom`
// to `top` on the left, or from bottomRight to topRight; `left` and `right` are [value, text] of its axes.
function curves(canvas, all, axes) {
  const {context, width, height} = prepared(canvas);
  const box = {left: 46, right: width - (axes.right ? 52 : 8), top: 26, bottom: height - 34};
  const most = Math.max(axes.least, ...all.flatMap((c) => c.points.map((p) => p[0])));
  const x = (value) => box.left + (box.right - box.left) * value / most;
  const y = (value, right) => {
    const [from, to] = right ? axes.rangeRight : axes.range;
    return box.bottom - (box.bottom - box.top) * (value - from) / (to - from);
  };
  context.fillStyle = colour("quiet");
  context.strokeStyle = colour("rule");
  context.lineWidth = 1;
  context.textBaseline = "middle";
  context.textAlign = "right";
  for (const [value, text] of axes.left) {
    const at = Math.round(y(value)) + 0.5;
    context.beginPath();
    context.moveTo(box.left, at);
    context.lineTo(box.right, at);
    context.stroke();
    context.fillText(text, box.left - 8, at);
  }
  context.textAlign = "left";
  for (const [value, text] of axes.right || []) context.fillText(text, box.right + 8, y(value, true));
  context.textAlign = "center";
  context.textBaseline = "top";
  for (const value of ticks(most, 6)) context.fillText(grouped(value), x(value), box.bottom + 6);
  context.fillText(axes.below, (box.left + box.right) / 2, box.bottom + 20);
  context.textAlign = "left";
  context.textBaseline = "top";
  context.fillText(axes.above, 0, 0);
  if (axes.aboveRight) {
    context.textAlign = "right";
    context.fillText(axes.aboveRight, width, 0);
  }
  context.save();
  context.beginPath();
  context.rect(box.left - 4, box.top - 4, box.right - box.left + 8, box.bottom - box.top + 8);
  context.clip();
  context.lineJoin = "round";
  for (const curve of all) {
    context.strokeStyle = context.fillStyle = curve.colour;
    context.lineWidth = curve.width;
    context.beginPath();
    curve.points.forEach(([px, py], i) => context[i ? "lineTo" : "moveTo"](x(px), y(py, curve.right)));
    context.stroke();
    if (curve.dots)
      for (const [px, py] of curve.points) {
        context.beginPath();
        context.arc(x(px), y(py, curve.right), curve.dots, 0, 7);
        context.fill();
      }
  }
  context.restore();
}

// Draws the charts of a page. The library is fetched by pages that have one, and by no others.
//
// A chart's data is the JSON of a <script> element in it (Django's json_script), or what the address
// in data-src answers:
//   prices   [[time, price], ...], oldest first; a time is a day ("2008-09-16") or epoch seconds
//   levels   [{value, role: "trigger" | "reference" | "start", words}, ...]
//   lines    [{points: [[time, price], ...], words, stepped}, ...]; a stepped one keeps its price
//   marks    [{time, kind: "buy" | "sell" | "told" | "failed", words}, ...], oldest first
// Prices may be strings, as exact decimals are. data-zone is the IANA zone of epoch seconds.
//
// A part of a page that is refreshed may bring <script id="X-moved"> for the chart of figure X: what
// has moved since, {time, price, levels, lines}, of which the last two may be absent.

const ROLE_COLOURS = { trigger: "--loss", reference: "--wait", start: "--muted" };
const MARKS = {
  buy: { colour: "--gain", shape: "arrowUp", position: "belowBar" },
  sell: { colour: "--accent", shape: "arrowDown", position: "aboveBar" },
  told: { colour: "--muted", shape: "circle", position: "aboveBar" },
  failed: { colour: "--loss", shape: "square", position: "aboveBar" },
};
const ROOM_OF_WORDS = 0.1; // of a chart's width
const drawn = new Map();

drawAll();
document.addEventListener("htmx:afterSwap", () => {
  drawAll();
  for (const [canvas, { move }] of drawn) {
    const moved = document.getElementById(`${canvas.closest("figure").id}-moved`);
    if (moved) move(JSON.parse(moved.textContent));
  }
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const { repaint } of drawn.values()) repaint();
});

function drawAll() {
  for (const canvas of drawn.keys()) if (!canvas.isConnected) drawn.delete(canvas);
  for (const figure of document.querySelectorAll("figure[data-chart]")) {
    const canvas = figure.querySelector(".chart-canvas");
    if (drawn.has(canvas)) continue;
    drawn.set(canvas, { repaint() {}, move() {} });
    draw(figure, canvas);
  }
}

async function draw(figure, canvas) {
  const [library, data] = await Promise.all([import(figure.dataset.chart), dataOf(figure)]);
  const chart = library.createChart(canvas, {
    autoSize: true,
    layout: { attributionLogo: false }, // it brings a style element; the page's foot names its maker
    ...times(figure.dataset.zone),
  });
  const series = chart.addSeries(library.AreaSeries, { lineWidth: 2, priceLineVisible: false });
  series.setData(points(data.prices));
  const addLine = ({ points: path, words, stepped }) => {
    const line = chart.addSeries(library.LineSeries, {
      lineWidth: 2, lineStyle: library.LineStyle.Dashed, title: words,
      lineType: stepped ? library.LineType.WithSteps : library.LineType.Simple,
      priceLineVisible: false, lastValueVisible: false, crosshairMarkerVisible: false,
    });
    line.setData(points(path));
    return line;
  };
  const addLevel = ({ value, role, words }) => ({
    role,
    line: series.createPriceLine({
      price: Number(value), lineWidth: 2, title: words,
      lineStyle: role === "trigger" ? library.LineStyle.Solid : library.LineStyle.Dashed,
    }),
  });
  const lines = (data.lines ?? []).map(addLine);
  let levels = (data.levels ?? []).map(addLevel);
  reach(series, data.levels ?? []);
  const marks = library.createSeriesMarkers(series, []);
  const colour = palette(canvas);
  const repaint = () => {
    chart.applyOptions({
      layout: {
        background: { color: "transparent" }, textColor: colour("--muted"),
        fontFamily: getComputedStyle(canvas).fontFamily,
      },
      grid: { vertLines: { visible: false }, horzLines: { color: colour("--line") } },
      rightPriceScale: { borderVisible: false }, timeScale: { borderVisible: false },
    });
    series.applyOptions({
      lineColor: colour("--accent"),
      topColor: faint(colour("--accent"), 0.22), bottomColor: faint(colour("--accent"), 0),
    });
    for (const line of lines) line.applyOptions({ color: colour("--wait") });
    for (const { line, role } of levels) line.applyOptions({ color: colour(ROLE_COLOURS[role]) });
    // Of marks that stand close together one is named: words over words are none.
    let named = -Infinity;
    marks.setMarkers((data.marks ?? []).map(({ time, kind, words }) => {
      const { colour: name, ...look } = MARKS[kind];
      const place = data.prices.findLastIndex(([at]) => at <= time);
      const text = place - named < data.prices.length * ROOM_OF_WORDS ? "" : words;
      if (text) named = place;
      return { time, text, color: colour(name), ...look };
    }));
  };
  repaint();
  chart.timeScale().fitContent();
  const move = ({ time, price, ...now }) => {
    onward(series, time, price);
    if (now.levels) {
      for (const { line } of levels) series.removePriceLine(line);
      levels = now.levels.map(addLevel);
      reach(series, now.levels);
    }
    for (const [n, { points: path }] of (now.lines ?? []).entries()) {
      if (lines[n]) onward(lines[n], ...path.at(-1));
      else lines.push(addLine(now.lines[n])); // it has begun to follow since
    }
    repaint();
    figure.dataset.price = price;
  };
  drawn.set(canvas, { repaint, move });
  figure.dataset.drawn = "yes";
}

async function dataOf(figure) {
  const written = figure.querySelector("script[type='application/json']");
  if (written) return JSON.parse(written.textContent);
  const answer = await fetch(figure.dataset.src, { headers: { Accept: "application/json" } });
  return answer.json();
}

function points(pairs) {
  return pairs.map(([time, value]) => ({ time, value: Number(value) }));
}

// A series goes on at its end: what is older than that it has already.
function onward(series, time, price) {
  const newest = series.data().at(-1);
  if (!newest || newest.time <= time) series.update({ time, value: Number(price) });
}

// The levels are part of the picture, however far the price is from them.
function reach(series, levels) {
  const values = levels.map(({ value }) => Number(value));
  if (!values.length) return;
  series.applyOptions({
    autoscaleInfoProvider: (original) => {
      const info = original();
      if (!info?.priceRange) return info;
      const { minValue, maxValue } = info.priceRange;
      info.priceRange = {
        minValue: Math.min(minValue, ...values), maxValue: Math.max(maxValue, ...values),
      };
      return info;
    },
  });
}

// The library writes UTC: here the reader's zone is written. Days are days, in any zone.
function times(timeZone = "UTC") {
  const clock = new Intl.DateTimeFormat("en-GB", { timeZone, hour: "2-digit", minute: "2-digit" });
  const day = new Intl.DateTimeFormat("en-GB", { timeZone, day: "numeric", month: "short" });
  const exact = new Intl.DateTimeFormat("en-GB", { timeZone, dateStyle: "medium", timeStyle: "short" });
  const write = (time, format) => (typeof time === "number" ? format.format(time * 1000) : null);
  return {
    localization: {
      locale: "en-US",
      timeFormatter: (time) => write(time, exact) ?? dayText(time),
      priceFormatter: (price) => `$${price.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`,
    },
    timeScale: {
      timeVisible: true,
      tickMarkFormatter: (time, kind) => write(time, kind >= 3 ? clock : day),
    },
  };
}

function dayText(time) {
  return typeof time === "string" ? time : [time.year, time.month, time.day].map((n) => String(n).padStart(2, "0")).join("-");
}

function faint(rgb, alpha) {
  return rgb.replace("rgb(", "rgba(").replace(")", `, ${alpha})`);
}

// A custom property is not resolved when it is read, so a colour is read from an element that has it.
function palette(place) {
  const probe = place.appendChild(document.createElement("span"));
  probe.hidden = true;
  return (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
}

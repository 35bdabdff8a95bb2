// Numbers in words.

const pixels = ([width, height]) => `${width} × ${height}`;
const megabytes = (bytes) => (bytes < 1e5 ? `${Math.max(Math.round(bytes / 1e3), 1)} kB` : `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`);
const ordinals = ["first", "second", "third", "fourth", "fifth"];

const taken = (seconds) => (seconds < 100 ? `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`);

function enlarged({ size, doubled_size: [width, height] }) {
  const times = Math.round((width * height) / (size[0] * size[1]));
  return `Now ${pixels([width, height])} pixels, ${times === 4 ? "four" : times} times as many.`;
}
